import { execFile } from 'node:child_process';
import { expect, it } from 'vitest';

/** Alone it takes 15 s; other tests run beside it. ms */
const timeout = 240_000;

/** Exit status and both outputs of `npm run bench`'s program. */
const bench = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const program = new URL('main.ts', import.meta.url).pathname;
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });

it('names the figures that there are when none has that name', { timeout }, async () => {
  const { code, stdout, stderr } = await bench('--only', 'no such figure');
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain('no figure has "no such figure" in its name');
  for (const name of [
    'durable progress',
    'dispatch latency, p99',
    'dispatch rate',
    'reconnect',
    'idle bots on one hub',
  ])
    expect(stderr).toContain(name);
});

it('names the option that there is not', { timeout }, async () => {
  const { code, stderr } = await bench('--onyl', 'push');
  expect(code).toBe(2);
  expect(stderr).toBe("error: unknown option '--onyl'\n(Did you mean --only?)\n");
});

it('measures one figure beside its reference, and says with its exit status whether the goal is met', {
  timeout,
}, async () => {
  const name = 'order to ready, embedded (median)';
  const { code, stdout } = await bench('--only', name, '--json');
  const figures = JSON.parse(stdout);
  expect(figures).toEqual([
    {
      name,
      value: expect.any(Number),
      unit: 'ms',
      reference: expect.any(Number),
      referenceName: expect.stringContaining('walking and picking'),
      ratio: expect.any(Number),
      goal: '<= 1.25',
      met: expect.any(Boolean),
    },
  ]);
  const [{ value, reference, ratio, met }] = figures;
  // Nobody is faster than the walk.
  expect(value).toBeGreaterThan(reference);
  expect(ratio).toBeCloseTo(value / reference);
  expect(met).toBe(ratio <= 1.25);
  expect(code).toBe(met ? 0 : 1);
});

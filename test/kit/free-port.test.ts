import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { freePort } from '../../src/kit/free-port.ts';

const run = promisify(execFile);
const perProcess = 100;

test('a port is given once, in this process and in others that live', { timeout: 60_000 }, async () => {
  const here = await Promise.all(Array.from({ length: perProcess }, freePort));
  const module = JSON.stringify(new URL('../../src/kit/free-port.ts', import.meta.url));
  const script = `const { freePort } = await import(${module});
    const ports = await Promise.all(Array.from({ length: ${perProcess} }, freePort));
    console.log(ports.join());`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
  const all = [...here, ...stdout.trim().split(',').map(Number)];
  expect(new Set(all).size).toBe(2 * perProcess);
});

test('a port that somebody listens at is not given', async () => {
  const taken = (await freePort()) + 1;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(taken, '127.0.0.1', resolve));
  try {
    expect(await freePort()).not.toBe(taken);
  } finally {
    server.close();
  }
});

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileExporter } from '../../src/telemetry/file-exporter.ts';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'file-exporter-'));
  file = join(directory, 'traces.jsonl');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A line of 100 bytes, its end included, that says whose it is and which. */
const lineBytes = 100;
const serializer = {
  serializeRequest: (name: string) => Buffer.from(JSON.stringify({ name: name.padEnd(lineBytes - 12) })),
};
const linesOf = (name: string): string[] =>
  existsSync(name)
    ? readFileSync(name, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).name.trim())
    : [];
const write = (exporter: FileExporter<string>, name: string) =>
  exporter.export(name, ({ error }) => {
    if (error) throw error;
  });

test('keeps the newest lines within its bound, and drops the older part', () => {
  const exporter = new FileExporter(file, serializer, 20 * lineBytes);
  for (let n = 0; n < 35; n += 1) write(exporter, String(n));
  expect(linesOf(`${file}.1`)).toEqual(['20', '21', '22', '23', '24', '25', '26', '27', '28', '29']);
  expect(linesOf(file)).toEqual(['30', '31', '32', '33', '34']);
});

test('leaves it to the other process that is setting the file aside, and to itself when that was killed', () => {
  const exporter = new FileExporter(file, serializer, 4 * lineBytes);
  for (let n = 0; n < 2; n += 1) write(exporter, String(n));
  writeFileSync(`${file}.lock`, '');
  write(exporter, '2');
  expect(linesOf(file)).toEqual(['0', '1', '2']);
  const long = new Date(Date.now() - 60_000);
  utimesSync(`${file}.lock`, long, long);
  write(exporter, '3');
  write(exporter, '4');
  expect([linesOf(`${file}.1`), linesOf(file)]).toEqual([['0', '1', '2', '3'], ['4']]);
  expect(existsSync(`${file}.lock`)).toBe(false);
});

test('loses nothing of what several processes write, where one of them sets the file aside', async () => {
  const [processes, lines] = [4, 300];
  // Full once before they are all done, and not twice.
  const maxBytes = 2 * Math.floor((processes * lines * lineBytes) / 1.6);
  const module = fileURLToPath(new URL('../../src/telemetry/file-exporter.ts', import.meta.url));
  const script = `
    import { FileExporter } from '${module}';
    const [who] = process.argv.slice(1);
    const serializer = { serializeRequest: (name) => Buffer.from(JSON.stringify({ name: name.padEnd(${lineBytes - 12}) })) };
    const exporter = new FileExporter('${file}', serializer, ${maxBytes});
    for (let n = 0; n < ${lines}; n += 1) exporter.export(who + '-' + n, ({ error }) => { if (error) throw error; });`;
  const said = await Promise.all(
    Array.from({ length: processes }, (_, who) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, String(who)], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      return text(child.stderr);
    }),
  );
  expect(said).toEqual(Array(processes).fill(''));
  const all = [...linesOf(`${file}.1`), ...linesOf(file)];
  expect(all).toHaveLength(processes * lines);
  expect(new Set(all).size).toBe(processes * lines);
  expect(statSync(`${file}.1`).size).toBeGreaterThanOrEqual(maxBytes / 2);
});

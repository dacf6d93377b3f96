import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';

const main = join(import.meta.dirname, '../../src/cli/mallbots.js');

it('a reader that has seen enough is no failure', async () => {
  const child = spawn(process.execPath, [main, 'doctor'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);

  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
});

it.runIf(process.platform === 'linux')('a full disk is said in one line, with status 1', async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [main, 'doctor'], { stdio: ['ignore', full, 'pipe'] });
  const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, 'close')]);
  closeSync(full);

  expect(stderr).toMatch(/^error: cannot write to standard output: ENOSPC.*\n$/);
  expect(code).toBe(1);
});

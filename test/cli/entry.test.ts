import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';

it('says what to do where nothing was installed, without a stack trace', async () => {
  const root = join(import.meta.dirname, '../..');
  const copy = mkdtempSync(join(tmpdir(), 'mallbots-bare-'));
  onTestFinished(() => rmSync(copy, { recursive: true }));
  for (const part of ['package.json', 'src', 'bots']) cpSync(join(root, part), join(copy, part), { recursive: true });

  const run = promisify(execFile)(process.execPath, [join(copy, 'src/cli/mallbots.js'), '--help']);

  await expect(run).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^error: Cannot find package '[@\w/.-]+'; run "npm ci" in the repository first\n$/),
  });
});

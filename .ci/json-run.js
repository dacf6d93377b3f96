import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

/** Runs an npm script with --json: ends with exit status 1 unless it printed one JSON object that `check` finds nothing wrong with, and exited with 0. */
export function jsonRun(script, options, check) {
  const { status, signal, stdout } = spawnSync('npm', ['run', '-s', script, '--', ...options, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  try {
    check(JSON.parse(stdout));
    assert.equal(status, 0, `exit status (${signal ?? 'no signal'})`);
  } catch (error) {
    console.error(error instanceof SyntaxError ? `standard output is not one JSON object:\n${stdout}` : error.message);
    console.error(`${script} ended with ${signal ?? `exit status ${status}`}`);
    process.exit(1);
  }
}

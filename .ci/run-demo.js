// node .ci/run-demo.js <options of the demo>: runs it with --json; exit status 0 when it printed one JSON object and nothing went wrong.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const options = process.argv.slice(2);
const { orders } = parseArgs({ args: options, options: { orders: { type: 'string' } }, strict: false }).values;

const { status, signal, stdout } = spawnSync('npm', ['run', '-s', 'demo', '--', ...options, '--json'], {
  stdio: ['ignore', 'pipe', 'inherit'],
  encoding: 'utf8',
});
try {
  const { violations, ...report } = JSON.parse(stdout);
  console.log(JSON.stringify({ ...report, traces: report.traces.length }));
  assert.deepEqual(violations, [], 'violations');
  assert.equal(report.orders.placed, Number(orders), 'orders placed');
  assert.equal(report.orders.completed + report.orders.cancelled, report.orders.placed, 'orders in a final state');
  assert.equal(report.items.picked + report.items.short, report.items.ordered, 'items picked or short');
  assert.equal(report.traces.length, report.orders.placed, 'traces');
  assert.equal(status, 0, `exit status (${signal ?? 'no signal'})`);
} catch (error) {
  console.error(error instanceof SyntaxError ? `standard output is not one JSON object:\n${stdout}` : error.message);
  console.error(`the demo ended with ${signal ?? `exit status ${status}`}`);
  process.exit(1);
}

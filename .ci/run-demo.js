// node .ci/run-demo.js <options of the demo>: runs it with --json; exit status 0 when it printed one JSON object and nothing went wrong.
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { jsonRun } from './json-run.js';

const options = process.argv.slice(2);
const { orders } = parseArgs({ args: options, options: { orders: { type: 'string' } }, strict: false }).values;

jsonRun('demo', options, ({ violations, ...report }) => {
  console.log(JSON.stringify({ ...report, traces: report.traces.length }));
  assert.deepEqual(violations, [], 'violations');
  assert.equal(report.orders.placed, Number(orders), 'orders placed');
  assert.equal(report.orders.completed + report.orders.cancelled, report.orders.placed, 'orders in a final state');
  assert.equal(report.items.picked + report.items.short, report.items.ordered, 'items picked or short');
  assert.equal(report.traces.length, report.orders.placed, 'traces');
});

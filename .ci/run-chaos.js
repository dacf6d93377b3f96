// node .ci/run-chaos.js <options of chaos>: runs it with --json; exit status 0 when it printed one JSON object, which says that every fault was
// got over and every promise kept, or that every planted defect was found.
import assert from 'node:assert/strict';
import { jsonRun } from './json-run.js';

const options = process.argv.slice(2);

jsonRun('chaos', options, (report) => {
  if (options.includes('--defects')) {
    assert.ok(report.length > 0, 'defects planted');
    for (const { defect, found } of report) assert.equal(found, true, `found: ${defect}`);
    return;
  }
  const { violations, faults, orders, traces } = report;
  console.log(JSON.stringify({ faults, orders }));
  assert.deepEqual(violations, [], 'violations');
  assert.ok(faults.length > 0, 'faults suffered');
  for (const { name, atMs, recoveredMs } of faults) assert.ok(atMs >= 0 && recoveredMs >= 0, `recovered from: ${name}`);
  assert.equal(orders.completed + orders.cancelled, orders.placed, 'orders in a final state');
  assert.equal(traces.length, orders.placed, 'traces');
});

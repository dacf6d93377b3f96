// node .ci/count-tests.js <vitest json report>: prints "<passed> <failed>". With every service there, a test that did not run has failed.
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
let passed = 0;
let failed = 0;
for (const file of report.testResults) {
  const notPassed = file.assertionResults.filter(({ status }) => status !== 'passed');
  passed += file.assertionResults.length - notPassed.length;
  failed += notPassed.length;
  for (const { status, fullName } of notPassed) {
    if (status !== 'failed') console.error(`${status}: ${fullName} (${file.name})`);
  }
  // A file that could not be loaded, or whose hooks failed, has no test that did.
  if (file.status === 'failed' && notPassed.length === 0) {
    failed += 1;
    console.error(`failed outside its tests: ${file.name}: ${file.message}`);
  }
}
if (passed === 0) {
  failed += 1;
  console.error('no test passed');
}
console.log(`${passed} ${failed}`);

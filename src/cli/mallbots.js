#!/usr/bin/env node
// Plain JavaScript, so that a Node too old for the rest can still say so.
// Whole: a name that an old Node does not export would end it before it can say so.
import * as nodeModule from 'node:module';
import './quick-modules.js';

const oldestNode = 24;

if (Number.parseInt(process.versions.node, 10) < oldestNode) {
  console.error(
    `mallbots needs Node ${oldestNode} or newer and this is ${process.version}: run it as "npx mallbots" or "npm run mallbots --" (the repository brings its own Node), or install a newer Node`,
  );
  process.exit(1);
}
nodeModule.enableCompileCache?.();
const { run } = await import('./program.ts').catch((/** @type {{ code?: string, message: string }} */ error) => {
  // A package's name in quotes, not a path: a file of ours that is missing is a bug to be seen as it is.
  if (error.code !== 'ERR_MODULE_NOT_FOUND' || !/Cannot find package/.test(error.message)) throw error;
  console.error(`error: ${error.message.split(' imported from')[0]}; run "npm ci" in the repository first`);
  process.exit(1);
});
await run(process.argv);

#!/usr/bin/env node
// Plain JavaScript, so that a Node too old for the rest can still say so.
import { enableCompileCache } from 'node:module';

const oldestNode = 24;

if (Number.parseInt(process.versions.node, 10) < oldestNode) {
  console.error(
    `mallbots needs Node ${oldestNode} or newer and this is ${process.version}: run it as "npx mallbots" or "npm run mallbots --" (the repository brings its own Node), or install a newer Node`,
  );
  process.exit(1);
}
enableCompileCache?.();
const { run } = await import('./program.ts');
await run(process.argv);

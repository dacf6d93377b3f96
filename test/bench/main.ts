import Table from 'cli-table3';
import { Command } from 'commander';
import { amqpUrl, databaseUrl, reachable } from '../support/servers.ts';
import { dispatchLatency, dispatchRate } from './dispatch.ts';
import type { Benchmark, Figure } from './figure.ts';
import { idleBots } from './idle.ts';
import { orderBenchmarks } from './orders.ts';
import { staffPickups } from './pickups.ts';
import { progressBenchmark } from './progress.ts';
import { push } from './push.ts';
import { reconnect } from './reconnect.ts';
import { manyRevisions, revisionMemory } from './revisions.ts';

const values = new Command('npm run bench --')
  .description('Measures every figure beside its raw one. Compare ratios; the machine makes the rest.')
  .option('--only <name>', 'the figures that have this in their name', '')
  .option('--json', 'one JSON array in place of a table', false)
  .option('--profile <directory>', 'where profiles of the hub are left', '')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<{ only: string; json: boolean; profile: string }>();

const benchmarks: readonly Benchmark[] = [
  progressBenchmark,
  dispatchLatency,
  dispatchRate,
  reconnect,
  idleBots,
  manyRevisions,
  push,
  revisionMemory,
  staffPickups,
  ...orderBenchmarks,
];
const isWanted = (name: string) => name.includes(values.only);

const chosen = benchmarks.filter(({ names }) => names.some(isWanted));
if (chosen.length === 0) {
  const names = benchmarks.flatMap((benchmark) => benchmark.names);
  console.error(`error: no figure has "${values.only}" in its name; there are: ${names.join('; ')}`);
  process.exit(2);
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Whoever asks twice does not want to wait for the cleaning up.
    if (interrupted.signal.aborted) process.exit(130);
    console.error('interrupted: cleaning up ...');
    interrupted.abort();
  });
}

const servers = { databaseUrl, amqpUrl };
const around = { servers, signal: interrupted.signal, profileDirectory: values.profile };
const serversAnswer = (await Promise.all(Object.values(servers).map(reachable))).every(Boolean);
const figures: Figure[] = [];
for (const { names, needsServers, run } of chosen) {
  if (needsServers && !serversAnswer) {
    console.error(`${names.join(', ')}: left out, because ${databaseUrl} and ${amqpUrl} do not both answer`);
    continue;
  }
  console.error(`${names.filter(isWanted).join(', ')} ...`);
  try {
    figures.push(...(await run(around)).filter(({ name }) => isWanted(name)));
  } catch (error) {
    if (interrupted.signal.aborted) process.exit(130);
    // The other figures do not depend on it.
    console.error(error);
    process.exitCode = 1;
  }
}

if (values.json) console.log(JSON.stringify(figures, null, 2));
else {
  const table = new Table({
    head: ['figure', 'value', 'reference', 'ratio', 'goal', ''],
    style: { head: [], border: [] },
  });
  for (const { name, value, unit, reference, referenceName, ratio, goal, met } of figures) {
    const number = (n: number) => n.toLocaleString('en', { maximumFractionDigits: n < 100 ? 1 : 0 });
    table.push([
      name,
      `${number(value)} ${unit}`,
      `${number(reference)} ${unit}\n${referenceName}`,
      ratio.toPrecision(3),
      goal ?? '',
      met === null ? '' : met ? 'met' : 'missed',
    ]);
  }
  console.log(table.toString());
}
if (figures.some(({ met }) => met === false)) process.exitCode = 1;

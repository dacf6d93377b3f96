import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { amqpUrl, databaseUrl, reachable } from '../support/servers.ts';
import type { Figure } from './figure.ts';
import { orderBenchmarks } from './orders.ts';

/** `npm run bench [-- --only NAME] [--json]`: every figure beside its raw one. Compare ratios; the machine makes the rest. */
const { values } = parseArgs({ options: { only: { type: 'string' }, json: { type: 'boolean', default: false } } });

const servers = { databaseUrl, amqpUrl };
const chosen = orderBenchmarks.filter(({ name }) => !values.only || name.includes(values.only));
if (chosen.length === 0) {
  console.error(
    `error: no figure has "${values.only}" in its name; there are: ${orderBenchmarks.map(({ name }) => name).join('; ')}`,
  );
  process.exit(2);
}
const serversAnswer = (await Promise.all(Object.values(servers).map(reachable))).every(Boolean);
const figures: Figure[] = [];
for (const { name, needsServers, run } of chosen) {
  if (needsServers && !serversAnswer) {
    console.error(`${name}: left out, because ${databaseUrl} and ${amqpUrl} do not both answer`);
    continue;
  }
  console.error(`${name} ...`);
  figures.push(await run(servers));
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

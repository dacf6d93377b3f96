import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { destination, pino } from 'pino';
import { printSummary } from '../../src/demo/summary.ts';
import { crashAt } from './crash-faults.ts';
import { type Defect, defects } from './defects.ts';
import type { Fault } from './fault.ts';
import { faults } from './faults.ts';
import { type ChaosReport, runChaos } from './run.ts';
import { schedule, slotMs } from './schedule.ts';
import { type ChaosServers, startServers } from './servers.ts';

const usage = `npm run chaos -- [options]

A mall with a process per role, two hubs and bots of their own, on a PostgreSQL
and a RabbitMQ of its own, under faults; after each its promises are checked.

  --seed <n>       same seed, same schedule (default: one that is told)
  --only <text>    only kinds with this in their name (repeatable)
  --faults <n>     how many (default: every kind once)
  --duration <s>   the same as time: a fault takes some ${slotMs / 1_000} s
  --defects        plant one mistake after the other instead, and see whether
                   each is found by the fault that is to find it, and not by the
                   same fault without it; --only chooses among them
  --list           the kinds of faults, the mistakes, and no run
  --json           one JSON object on standard output, the rest on standard error
  --keep-log       keep the processes' log of a run that breaks a promise

Exits with 1 when a promise was broken or a mistake was not found.`;

/** A fault that hits the wrong moment shows nothing: so many are inflicted before a mistake counts as not found. */
const triesPerDefect = 3;

const { values } = read();

function read() {
  try {
    return parseArgs({
      options: {
        seed: { type: 'string' },
        only: { type: 'string', multiple: true, default: [] },
        faults: { type: 'string' },
        duration: { type: 'string' },
        defects: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        'keep-log': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function refuse(why: string): never {
  console.error(`error: ${why}\n\n${usage}`);
  process.exit(2);
}

function whole(name: 'seed' | 'faults' | 'duration', fallback: number): number {
  const text = values[name];
  if (text === undefined) return fallback;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  return refuse(`--${name} is "${text}": give a whole number`);
}

const isWanted = (name: string) => values.only.length === 0 || values.only.some((text) => name.includes(text));
/** Those that a defect brings along are no kinds of their own. */
const faultNamed = (name: string): Fault =>
  faults.find((fault) => fault.name === name) ?? crashAt(name.replace('crash: ', ''));

if (values.help) {
  console.log(usage);
  process.exit();
}
if (values.list) {
  const lines = [
    ...faults.map(({ name }) => `fault   ${name}`),
    ...defects.map(({ name, foundBy }) => `defect  ${name} (${foundBy})`),
  ];
  console.log(lines.join('\n'));
  process.exit();
}
const known: ReadonlyArray<{ name: string }> = values.defects ? defects : faults;
if (!known.some(({ name }) => isWanted(name))) {
  refuse(`nothing has ${values.only.map((text) => `"${text}"`).join(' or ')} in its name; --list tells what there is`);
}

const seed = whole('seed', Math.floor(Math.random() * 100_000));
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Whoever asks twice does not want to wait for the cleaning up.
    if (interrupted.signal.aborted) process.exit(130);
    console.error('interrupted: cleaning up ...');
    interrupted.abort(new Error('interrupted'));
  });
}

const say = (line: string) => console.error(line);
const logger = pino({ level: 'silent' }, destination(2));

try {
  await using servers = await startServers(logger);
  say(
    servers.rabbitmq
      ? "PostgreSQL and RabbitMQ are the suite's own: they are killed for real"
      : `RabbitMQ is a shared one at ${servers.amqpUrl}, whose connections are cut where it were to be killed (${servers.whyShared})`,
  );
  process.exitCode = (await (values.defects ? tryDefects(servers) : tryFaults(servers))) ? 0 : 1;
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
  process.exitCode = 130;
}

function run(
  servers: ChaosServers,
  names: readonly string[],
  durationMs: number,
  defect: string,
): Promise<ChaosReport> {
  const kinds = names.map(faultNamed);
  return runChaos({
    servers,
    seed,
    schedule: schedule(seed, durationMs, names),
    kinds,
    defect,
    say,
    logger,
    signal: interrupted.signal,
    keepLog: values['keep-log'],
  });
}

/** True when every promise was kept. */
async function tryFaults(servers: ChaosServers): Promise<boolean> {
  const names = faults.map(({ name }) => name).filter(isWanted);
  const count = whole(
    'faults',
    values.duration ? Math.max(1, Math.floor((whole('duration', 0) * 1_000) / slotMs)) : names.length,
  );
  say(`seed ${seed}: ${count} faults`);
  const report = await run(servers, names, count * slotMs, '');
  const isKept = report.violations.length === 0;
  if (values.json) console.log(JSON.stringify({ ...report, seed }));
  else {
    const table = new Table({ head: ['fault', 'at', 'recovered in'], style: { head: [], border: [] } });
    const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
    for (const { name, atMs, recoveredMs } of report.faults)
      table.push([name, seconds(atMs), recoveredMs === null ? 'never' : seconds(recoveredMs)]);
    console.log(table.toString());
    printSummary(report, console.log);
  }
  const last = report.faults.at(-1)?.name;
  if (!isKept) say(`broken after "${last}"; again: npm run chaos -- --seed ${seed}`);
  return isKept;
}

/** True when every mistake was found, each by what it breaks, and the faults that found them break nothing without. */
async function tryDefects(servers: ChaosServers): Promise<boolean> {
  const planted = defects.filter(({ name }) => isWanted(name));
  const isSound = await tryWithout(servers, planted);
  const results: Array<{ defect: string; found: boolean; by: string; tries: number; rules: readonly string[] }> = [];
  for (const { name, foundBy, breaks } of planted) {
    say(`planted: ${name}`);
    const { violations, faults: suffered } = await run(servers, [foundBy], triesPerDefect * slotMs, name);
    const rules = [...new Set(violations.map(({ rule }) => rule))];
    const shown = rules.filter((rule) => breaks.includes(rule));
    const found = shown.length > 0;
    results.push({ defect: name, found, by: found ? foundBy : '', tries: suffered.length, rules });
    const told = (some: readonly string[]) => some.map((rule) => `not "${rule}"`).join(', ');
    say(found ? `  found by "${foundBy}": ${told(shown)}` : `  NOT FOUND${rules.length > 0 ? `: ${told(rules)}` : ''}`);
  }
  if (values.json) console.log(JSON.stringify(results));
  const missed = results.filter(({ found }) => !found);
  say(
    `${results.length - missed.length} of ${results.length} planted defects found${missed.map(({ defect }) => `\n  not found: ${defect}`).join('')}`,
  );
  return isSound && missed.length === 0;
}

/** True when the faults break nothing in a mall without mistakes; where a mistake brings its own along there is none. */
async function tryWithout(servers: ChaosServers, planted: readonly Defect[]): Promise<boolean> {
  const all = new Set(planted.map(({ foundBy }) => foundBy));
  const names = faults.map(({ name }) => name).filter((name) => all.has(name));
  if (names.length === 0) return true;
  say('planted: nothing');
  const { violations, faults: suffered } = await run(servers, names, names.length * slotMs, '');
  for (const { rule, subject, message } of violations)
    say(`  BROKEN without a mistake: "${rule}", ${subject}: ${message}`);
  return violations.length === 0 && suffered.length === names.length;
}

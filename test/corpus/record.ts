/**
 * `npm run corpus`: records what bots and hub say to each other about tasks, in a mall whose robots crash, so that something is brought back too.
 * Adds to `src/hub/protocol/corpus/<kind>.jsonl`, by which every later revision is checked, what of each event has few lines there. Payloads of the
 * past have to stay readable, so none is taken away.
 */
import { appendFileSync } from 'node:fs';
import { type Message, open } from '../../src/contract/message.ts';
import { openDoors } from '../../src/demo/doors.ts';
import { drawOrders } from '../../src/demo/mall.ts';
import { createPlace } from '../../src/demo/place.ts';
import { openStage, type Stage } from '../../src/demo/stage.ts';
import type { Original } from '../../src/gen/events/bots/v1/events.ts';
import { TaskRequested } from '../../src/gen/events/depot/v1/events.ts';
import type { SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../src/gen/kinds.ts';
import { corpusFile, type Recorded, readCorpus } from '../../src/hub/protocol/corpus/corpus.ts';
import { parts } from '../../src/hub/protocol/majors/parts.ts';
import { pause } from '../../src/kit/backoff.ts';
import { createLogger } from '../../src/telemetry/logger.ts';

/** Lines of one part of a kind: enough for every field and member that bots use, few enough for a check that takes milliseconds. */
const linesPerPart = 10;
const seed = 7;
const bots = { count: 6, seed, timeScale: 40, crashRate: 0.3 };
const orders = 40;
const orderEveryMs = 500;
/** A robot that has crashed comes back after its lease. What is not recorded by then is said. */
const patienceMs = 180_000;

const kindNames = Object.keys(kinds) as (keyof typeof kinds)[];

const wanted = new Map(
  kindNames.flatMap((kind) =>
    parts.map((part) => [
      `${kind} ${part}`,
      linesPerPart - readCorpus(kind).filter((line) => line.part === part).length,
    ]),
  ),
);
const isComplete = () => [...wanted.values()].every((count) => count <= 0);
/** The same step again says nothing new; which step it is shows in the first bytes, its ids are everywhere. */
const shapes = new Map<string, number>();

function record(
  part: Recorded['part'],
  shape: string,
  { kind, revision, digest }: SchemaRef,
  payload: Uint8Array,
): void {
  const left = wanted.get(`${kind} ${part}`) ?? 0;
  const seen = shapes.get(`${kind} ${shape}`) ?? 0;
  if (left <= 0 || seen >= (part === 'progress' ? Math.ceil(linesPerPart / 3) : linesPerPart)) return;
  wanted.set(`${kind} ${part}`, left - 1);
  shapes.set(`${kind} ${shape}`, seen + 1);
  const line = { schema: { kind, revision, digest }, part, payload: Buffer.from(payload).toString('base64') };
  appendFileSync(corpusFile(kind), `${JSON.stringify(line)}\n`);
}

/** What a message says of a task, as the bot or the depot wrote it. */
function look(message: Message): void {
  if (message.name === 'depot.task_requested') {
    const { schema, payload } = TaskRequested.decode(message.body);
    if (schema) record('task', message.name, schema, payload);
    return;
  }
  const { original } = open(message).body as { readonly original?: Original };
  if (!original?.schema) return;
  const part = message.name === 'bots.task_succeeded' ? 'result' : 'progress';
  record(part, message.name, original.schema, original.payload);
}

/** Everything that the roles of this process publish goes by `see` first. */
function tap({ backends: { broker } }: Stage, see: (message: Message) => void): void {
  const publish = broker.publish.bind(broker);
  broker.publish = (to, message) => {
    see(message);
    return publish(to, message);
  };
}

const logger = createLogger('corpus', 'error');
const place = await createPlace({ purpose: 'corpus', logLevel: 'error', logger });
try {
  const events = { started() {}, died() {} };
  const stage = await openStage(place.environment, { processes: false, logger, events });
  try {
    tap(stage, look);
    const signal = AbortSignal.timeout(patienceMs);
    const { mall, kiosk } = await openDoors(stage, bots, signal);
    for (const [index, { shopper, lines }] of drawOrders(seed, mall, orders).entries()) {
      if (isComplete()) break;
      await kiosk.placeOrder(`corpus-${index}`, { shopper, currency: mall.currency, lines });
      await pause(orderEveryMs, signal);
    }
    while (!isComplete() && !signal.aborted) await pause(orderEveryMs, signal).catch(() => {});
  } finally {
    await stage.close();
  }
} finally {
  await place.remove();
}
for (const [what, count] of wanted) if (count > 0) console.log(`${what}: ${count} fewer than wanted`);

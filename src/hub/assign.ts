import type { Position, SchemaRef } from '../gen/fleet/v1/fleet.ts';
import type { Arm } from './protocol/rollout-record.ts';

/** A bot that takes offers. */
export interface Candidate {
  readonly botId: string;
  readonly position: Position | undefined;
  /** Tasks that it has. */
  readonly load: number;
  /** Tasks that it may still be given, by kind. */
  readonly free: ReadonlyMap<string, number>;
  /** Of the revisions that payloads may be written in which it can read. */
  readonly digests: ReadonlySet<string>;
  /** Kinds whose tasks it does in a revision that is being tried. */
  readonly tries: ReadonlySet<string>;
  /** Tasks that it shall not be asked again for just now. */
  readonly shunned: ReadonlySet<string>;
}

/** Tasks that a bot may still be given, of all kinds. */
export function roomOf({ free }: Pick<Candidate, 'free'>): number {
  let room = 0;
  for (const slots of free.values()) room += slots;
  return room;
}

export interface Assignable {
  readonly taskId: string;
  readonly schema: SchemaRef;
  readonly position: Position | undefined;
  /** The only bot that may have it; empty for any. */
  readonly onlyBotId: string;
}

export interface Pair<T extends Assignable> {
  readonly task: T;
  readonly botId: string;
}

/**
 * Who does what, of tasks in the order of the queue and bots that have room: each task once at most, those that nobody shall have just now left out.
 * Pure, and quick: a hub asks it for every new task, with ten thousand candidates maybe. Pairs that `canTake` forbids are not offered. `armOf` says
 * by whom a task is rather done while a revision of its kind is tried.
 */
export type Assign = <T extends Assignable>(
  tasks: readonly T[],
  candidates: readonly Candidate[],
  armOf: (task: T) => Arm | undefined,
) => readonly Pair<T>[];

/** What no assignment may pass over: the bot may have the task, can read it, has room, and has not just declined it. */
export const canTake = (
  { botId, free, digests, shunned }: Candidate,
  { taskId, schema, onlyBotId }: Assignable,
  given = 0,
): boolean =>
  (onlyBotId === '' || onlyBotId === botId) &&
  (free.get(schema.kind) ?? 0) > given &&
  digests.has(schema.digest) &&
  !shunned.has(taskId);

/** A bot or task without a position is as far as the far end of any mall, metres. */
const unknownMetres = 10_000;

interface Best {
  readonly bot: Candidate;
  /** Of the arm that the task is rather for. */
  readonly fits: boolean;
  /** Squared metres. */
  readonly far: number;
}

/**
 * Each task, in the order given, goes to the nearest candidate that can take it; of equals to the one with less to do, then by name, so that the
 * same input gives the same answer. While a revision is tried, bots of the arm that a task is for come before the nearest, since else an idle fleet would
 * leave all of the work to whoever stands best, and a canary without any; but no task waits for them. Nothing is made for a bot that is only looked at.
 */
export const nearestWilling: Assign = <T extends Assignable>(
  tasks: readonly T[],
  candidates: readonly Candidate[],
  armOf: (task: T) => Arm | undefined,
) => {
  const given = new Map<string, { total: number; byKind: Map<string, number> }>();
  const load = ({ botId, load }: Candidate) => load + (given.get(botId)?.total ?? 0);
  const isBetter = (bot: Candidate, fits: boolean, far: number, best: Best) => {
    if (fits !== best.fits) return fits;
    if (far !== best.far) return far < best.far;
    const byLoad = load(bot) - load(best.bot);
    return byLoad !== 0 ? byLoad < 0 : bot.botId < best.bot.botId;
  };

  return tasks.flatMap((task) => {
    const { taskId, position, onlyBotId } = task;
    const { kind, digest } = task.schema;
    const arm = armOf(task);
    let best: Best | undefined;
    for (const bot of candidates) {
      const { botId, shunned } = bot;
      if (onlyBotId !== '' && onlyBotId !== botId) continue;
      const fits = arm === undefined || bot.tries.has(kind) === (arm === 'canary');
      const far = squaredMetres(position, bot.position);
      if (best && (fits === best.fits ? far > best.far : best.fits)) continue;
      const taken = given.size > 0 ? (given.get(botId)?.byKind.get(kind) ?? 0) : 0;
      if ((bot.free.get(kind) ?? 0) <= taken || !bot.digests.has(digest)) continue;
      if (shunned.size > 0 && shunned.has(taskId)) continue;
      if (!best || isBetter(bot, fits, far, best)) best = { bot, fits, far };
    }
    if (!best) return [];
    const { botId } = best.bot;
    const { total, byKind } = given.get(botId) ?? { total: 0, byKind: new Map<string, number>() };
    byKind.set(kind, (byKind.get(kind) ?? 0) + 1);
    given.set(botId, { total: total + 1, byKind });
    return [{ task, botId }];
  });
};

/** For comparing: the root costs more than all the rest. */
function squaredMetres(a: Position | undefined, b: Position | undefined): number {
  return a && b ? (a.x - b.x) ** 2 + (a.y - b.y) ** 2 : unknownMetres ** 2;
}

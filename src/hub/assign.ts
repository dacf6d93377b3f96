import type { Position, SchemaRef } from '../gen/fleet/v1/fleet.ts';

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
 * Pure, and quick: a hub asks it for every new task, with ten thousand candidates maybe. Pairs that `canTake` forbids are not offered.
 */
export type Assign = <T extends Assignable>(
  tasks: readonly T[],
  candidates: readonly Candidate[],
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
  readonly metres: number;
}

/**
 * Each task, in the order given, goes to the nearest candidate that can take it; of equals to the one with less to do, then by name, so that the
 * same input gives the same answer. Nothing is made for a bot that is only looked at.
 */
export const nearestWilling: Assign = <T extends Assignable>(tasks: readonly T[], candidates: readonly Candidate[]) => {
  const given = new Map<string, { total: number; byKind: Map<string, number> }>();
  const load = ({ botId, load }: Candidate) => load + (given.get(botId)?.total ?? 0);
  const isBetter = (bot: Candidate, metres: number, best: Best) => {
    if (metres !== best.metres) return metres < best.metres;
    const byLoad = load(bot) - load(best.bot);
    return byLoad !== 0 ? byLoad < 0 : bot.botId < best.bot.botId;
  };

  return tasks.flatMap((task) => {
    let best: Best | undefined;
    for (const bot of candidates) {
      if (!canTake(bot, task, given.get(bot.botId)?.byKind.get(task.schema.kind))) continue;
      const metres = distance(task.position, bot.position);
      if (!best || isBetter(bot, metres, best)) best = { bot, metres };
    }
    if (!best) return [];
    const { botId } = best.bot;
    const { total, byKind } = given.get(botId) ?? { total: 0, byKind: new Map<string, number>() };
    byKind.set(task.schema.kind, (byKind.get(task.schema.kind) ?? 0) + 1);
    given.set(botId, { total: total + 1, byKind });
    return [{ task, botId }];
  });
};

function distance(a: Position | undefined, b: Position | undefined): number {
  return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : unknownMetres;
}

import type { Position, SchemaRef } from '../gen/fleet/v1/fleet.ts';

/** A bot that takes offers. */
export interface Candidate {
  readonly botId: string;
  readonly position: Position | undefined;
  /** Tasks that it has. */
  readonly load: number;
  /** Tasks that it may still be given, by kind. */
  readonly free: ReadonlyMap<string, number>;
  /** Digests of the revisions that it has applied. */
  readonly digests: ReadonlySet<string>;
  /** Tasks that it shall not be asked again for just now. */
  readonly shunned: ReadonlySet<string>;
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

/** A bot or task without a position is as far as the far end of any mall, metres. */
const unknownMetres = 10_000;

/**
 * Who does what: each task, in the order given, goes to the nearest candidate that may have it, serves its kind and holds its digest; of equals to the
 * one with less to do, then by name, so that the same input gives the same answer. Tasks that nobody can take are left out.
 */
export function assign<T extends Assignable>(tasks: readonly T[], candidates: readonly Candidate[]): Pair<T>[] {
  const given = new Map<string, { total: number; byKind: Map<string, number> }>();
  const givenTo = (botId: string) => given.get(botId) ?? { total: 0, byKind: new Map<string, number>() };
  const load = (bot: Candidate) => bot.load + givenTo(bot.botId).total;
  const canTake = (bot: Candidate, { taskId, schema, onlyBotId }: T) =>
    (onlyBotId === '' || onlyBotId === bot.botId) &&
    (bot.free.get(schema.kind) ?? 0) > (givenTo(bot.botId).byKind.get(schema.kind) ?? 0) &&
    bot.digests.has(schema.digest) &&
    !bot.shunned.has(taskId);

  return tasks.flatMap((task) => {
    let best: Candidate | undefined;
    for (const bot of candidates) {
      if (canTake(bot, task) && (!best || isBetter(task, bot, best, load))) best = bot;
    }
    if (!best) return [];
    const { total, byKind } = givenTo(best.botId);
    byKind.set(task.schema.kind, (byKind.get(task.schema.kind) ?? 0) + 1);
    given.set(best.botId, { total: total + 1, byKind });
    return [{ task, botId: best.botId }];
  });
}

function isBetter(task: Assignable, a: Candidate, b: Candidate, load: (bot: Candidate) => number): boolean {
  const metres = distance(task.position, a.position) - distance(task.position, b.position);
  if (metres !== 0) return metres < 0;
  const byLoad = load(a) - load(b);
  return byLoad !== 0 ? byLoad < 0 : a.botId < b.botId;
}

function distance(a: Position | undefined, b: Position | undefined): number {
  return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : unknownMetres;
}

import type { Position, SchemaRef } from '../gen/fleet/v1/fleet.ts';
import type { Arm } from './protocol/rollout-record.ts';
import type { Reading } from './protocol/view.ts';

/** A bot that takes offers. */
export interface Candidate extends Reading {
  readonly botId: string;
  readonly position: Position | undefined;
  /** Tasks that it has. */
  readonly load: number;
  /** Tasks that it may still be given, by the kind that it does them in. */
  readonly free: ReadonlyMap<string, number>;
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

/** A bot, and how far it is: squared metres. */
export interface Near {
  readonly bot: Candidate;
  readonly far: number;
}

/** The bots that take offers and have room for a task. They are many, and none of them is looked at before it is asked for. */
export interface Willing extends Iterable<Candidate> {
  /**
   * Those that have room for a task of the kind, or the only one that may have it: the nearest first, of those that are as far the one with less to do.
   * Who stands nobody knows where is farther than the others. Those of `arm` come before all others. Not all of them `canTake` it.
   */
  nearest(task: Assignable, arm?: Arm): Iterable<Near>;
}

/**
 * Who does what, of tasks in the order of the queue and bots that have room: each task once at most, those that nobody shall have just now left out.
 * Pure, and quick: a hub asks it for every new task, with ten thousand bots maybe. Pairs that `canTake` forbids are not offered. `armOf` says
 * by whom a task is rather done while a revision of its kind is tried.
 */
export type Assign = <T extends Assignable>(
  tasks: readonly T[],
  willing: Willing,
  armOf: (task: T) => Arm | undefined,
) => readonly Pair<T>[];

/** What no assignment may pass over: the bot may have the task, can read it, has room, and has not just declined it. */
export function canTake(
  { botId, free, digests, shunned }: Candidate,
  { taskId, schema, onlyBotId }: Assignable,
  given = 0,
): boolean {
  const language = digests.get(schema.digest);
  if (!language || (onlyBotId !== '' && onlyBotId !== botId)) return false;
  return (free.get(language.kind) ?? 0) > given && !shunned.has(taskId);
}

/** What a bot was given in one call. */
interface Given {
  readonly total: number;
  readonly byKind: ReadonlyMap<string, number>;
}

const nothing: Given = { total: 0, byKind: new Map() };

/** Whether the bot is of the arm that a task of the kind is rather for. */
export const fits = ({ tries }: Candidate, kind: string, arm: Arm | undefined): boolean =>
  arm === undefined || tries.has(kind) === (arm === 'canary');

/**
 * Each task, in the order given, goes to the nearest bot that can take it; of equals to the one with less to do. While a revision is tried, bots of the
 * arm that a task is for come before the nearest, since else an idle fleet would leave all of the work to whoever stands best, and a canary without any; but
 * no task waits for them.
 */
export const nearestWilling: Assign = (tasks, willing, armOf) => {
  const given = new Map<string, Given>();
  const givenTo = ({ botId }: Candidate) => given.get(botId) ?? nothing;

  return tasks.flatMap((task) => {
    const { kind, digest } = task.schema;
    const languageOf = ({ digests }: Candidate) => digests.get(digest)?.kind ?? kind;
    const arm = armOf(task);
    const isAsFar = (a: Near, b: Near) => a.far === b.far && fits(a.bot, kind, arm) === fits(b.bot, kind, arm);
    let best: (Near & { readonly load: number }) | undefined;
    for (const near of willing.nearest(task, arm)) {
      const { bot } = near;
      // Those that are as far come with what they had to do before: beyond this one, none has less.
      if (best && (!isAsFar(near, best) || bot.load >= best.load)) break;
      const { total, byKind } = givenTo(bot);
      if (!canTake(bot, task, byKind.get(languageOf(bot)))) continue;
      const load = bot.load + total;
      if (!best || load < best.load) best = { ...near, load };
    }
    if (!best) return [];
    const { total, byKind } = givenTo(best.bot);
    const language = languageOf(best.bot);
    const taken = new Map(byKind).set(language, (byKind.get(language) ?? 0) + 1);
    given.set(best.bot.botId, { total: total + 1, byKind: taken });
    return [{ task, botId: best.bot.botId }];
  });
};

import type { SchemaRef } from '../gen/fleet/v1/fleet.ts';
import type { Assignable, Candidate, Pair, Willing } from './assign.ts';
import type { Takers } from './queue-store.ts';
import type { Task } from './task-phase.ts';

/** What dispatch has to know of the languages of a kind's majors. */
export interface Languages {
  /** Whether a task cannot be brought into a language of another major. */
  isBarred(task: Task, into: SchemaRef): boolean;
  /** A task as it is offered in the language that it is pinned to. @throws where that has no word for it */
  payloadOf(task: Task): Uint8Array;
  /** Of a translation of tasks. */
  nameOf(kind: string, into: SchemaRef): string;
  kindOf(digest: string): string | undefined;
}

export interface Spoken<T extends Assignable> extends Pair<T> {
  /** As it is written, though the bot speaks a newer major. */
  readonly isOwn: boolean;
}

/**
 * `assign`, where some bots would do tasks in another major. A task that cannot be brought into one is not for those who would do it in that; but
 * if they speak the task's own major as well, and nobody else takes it, they do it in its own. Such tasks are rare: bots that nothing is barred from cost
 * a look.
 */
export function assignAcross<T extends Assignable>(
  assign: (tasks: readonly T[], willing: Willing) => readonly Pair<T>[],
  tasks: readonly T[],
  willing: Willing & { readonly languages: Iterable<Candidate['digests']> },
  languages: { isBarred(task: T, into: SchemaRef): boolean },
): Spoken<T>[] {
  const barredFrom = (digests: Candidate['digests']): ReadonlySet<string> => {
    const ids = tasks.flatMap((task) => {
      const into = digests.get(task.schema.digest);
      return into && into.kind !== task.schema.kind && languages.isBarred(task, into) ? [task.taskId] : [];
    });
    return new Set(ids);
  };
  // Bots that speak the same share a map.
  const barredBy = new Map(Array.from(willing.languages, (digests) => [digests, barredFrom(digests)]));
  const barred = new Set([...barredBy.values()].flatMap((of) => [...of]));
  const told = (pairs: readonly Pair<T>[], isOwn: boolean) => pairs.map((pair): Spoken<T> => ({ ...pair, isOwn }));
  if (barred.size === 0) return told(assign(tasks, willing), false);

  const first = assign(
    tasks,
    each(willing, (bot) => {
      const of = barredBy.get(bot.digests)!;
      return of.size === 0 ? bot : { ...bot, shunned: new Set([...bot.shunned, ...of]) };
    }),
  );
  const given = new Set(first.map(({ task }) => task));
  const busy = new Set(first.map(({ botId }) => botId));
  const left = tasks.filter((task) => barred.has(task.taskId) && !given.has(task));
  if (left.length === 0) return told(first, false);
  // Who has just been given something is looked at again in the next turn.
  const able = each(willing, (bot) => (busy.has(bot.botId) ? undefined : asOwn(bot)));
  return [...told(first, false), ...told(assign(left, able), true)];
}

/** A bot as it takes tasks as they are written. */
export const asOwn = (bot: Candidate): Candidate => ({ ...bot, digests: bot.own });

/** `willing` as `change` has them; undefined for those that are left out. */
const each = (willing: Willing, change: (bot: Candidate) => Candidate | undefined): Willing => ({
  *[Symbol.iterator]() {
    for (const bot of willing) {
      const changed = change(bot);
      if (changed) yield changed;
    }
  },
  *nearest(task, arm) {
    for (const near of willing.nearest(task, arm)) {
      const bot = change(near.bot);
      if (bot) yield { ...near, bot };
    }
  },
});

/** What bots that speak these can be given. */
export function readBy(
  spoken: Iterable<Candidate['digests']>,
  languages: Pick<Languages, 'nameOf' | 'kindOf'>,
): Pick<Takers, 'digests' | 'across'> {
  const digests = new Set<string>();
  const across = new Map<string, Takers['across'][number]>();
  for (const readable of spoken) {
    for (const [digest, into] of readable) {
      const kind = languages.kindOf(digest) ?? into.kind;
      if (kind === into.kind) digests.add(digest);
      else across.set(`${digest} ${into.digest}`, { digest, attempted: languages.nameOf(kind, into) });
    }
  }
  return { digests: [...digests], across: [...across.values()] };
}

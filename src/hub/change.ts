import type { Letter } from '../database/outbox.ts';
import type { Orm } from '../database/port.ts';
import { parseTraceparent } from '../telemetry/propagation.ts';
import type { StreamKey } from './bot-store.ts';
import { saveTasks } from './change-store.ts';
import type { Decision } from './task-ends.ts';
import type { Task } from './task-phase.ts';

export type Changed = Extract<Decision, { verdict: 'changed' }>;

/** A decision that is to be written. */
export interface Change {
  readonly decision: Changed;
  /** Of the span that its events belong to; the task's where there is none. */
  readonly traceparent?: string;
}

/** Of the rows of tasks, by id. */
export type Versions = ReadonlyMap<string, string>;

export const lettersOf = (changes: readonly Change[]): Letter[] =>
  changes.flatMap(({ decision: { task, events }, traceparent }) => {
    const sender = traceparent && parseTraceparent(traceparent) ? traceparent : task.traceparent;
    return events.map((draft) => ({ draft, causationId: task.causationId, traceparent: sender }));
  });

export const withVersion = (task: Task, versions: Versions): Task => {
  const version = versions.get(task.taskId);
  return version === undefined ? task : { ...task, version };
};

/** The last decision about a task counts. Answers with the versions. */
export const save = (orm: Orm, decisions: readonly Changed[]): Promise<Versions> =>
  write(orm, Array.from(new Map(decisions.map(({ task }) => [task.taskId, task])).values()));

export const write = async (orm: Orm, tasks: readonly Task[]): Promise<Versions> =>
  tasks.length > 0 ? saveTasks(orm, tasks) : new Map();

/** What came on a stream that is not its bot's newest. */
export const outdated = ({ botId, epoch }: StreamKey): Decision => ({
  verdict: 'refused',
  reason: 'WRONG_STATE',
  message: `bot "${botId}" has a newer stream than this one of epoch ${epoch}; go on with that`,
});

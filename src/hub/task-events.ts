import { type Draft, draft } from '../contract/message.ts';
import type { TaskRef } from '../gen/events/bots/v1/events.ts';
import type { Task } from './task-phase.ts';

/** Correlation and mark of every event about a task. */
export const about = (task: Pick<Task, 'taskId' | 'fence' | 'correlationId'>) => ({
  correlationId: task.correlationId,
  task: { id: task.taskId, fence: task.fence },
});

export const refOf = (task: Task, botId: string, occurredAt: Date): TaskRef => ({
  taskId: task.taskId,
  orderId: task.orderId,
  kind: task.schema.kind,
  attempt: task.attempt,
  fence: task.fence,
  botId,
  occurredAt,
});

export const taskLost = (task: Task, botId: string, lostFence: number, reason: string, at: Date): Draft =>
  draft('bots.task_lost', task.orderId, { task: refOf(task, botId, at), lostFence, reason }, about(task));

export const taskFailed = (task: Task, botId: string, reason: string, at: Date): Draft =>
  draft('bots.task_failed', task.orderId, { task: refOf(task, botId, at), reason }, about(task));

export const taskCancelled = (task: Task, botId: string, reason: string, cancelledFence: number, at: Date): Draft =>
  draft('bots.task_cancelled', task.orderId, { task: refOf(task, botId, at), reason, cancelledFence }, about(task));

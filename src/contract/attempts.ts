import { v5 } from 'uuid';
import type { TaskRef } from '../gen/events/bots/v1/events.ts';
import { kinds } from '../gen/kinds.ts';

/** Whether an event about a task is about an order's shopping list. Tasks of every kind have events of the same names. */
export const isShopping = ({ kind }: Pick<TaskRef, 'kind'>): boolean => kind === kinds.shop.kind;

/** The attempt that a bots.task_lost is about: its task is at the next one already. */
export const lostAttempt = ({ attempt }: Pick<TaskRef, 'attempt'>): number => attempt - 1;

/** Of the ids below, and of nothing else. */
const namespace = '6b0f1c55-3a57-4f0e-9d0b-2f5d4c1e7a90';

/**
 * The id of the task that brings back what an attempt at a list had picked. Made of the attempt, so that there is one for each, and so that
 * whoever saw the picks knows what a return is about, in whatever order the news arrives.
 */
export const returnTaskId = (listTaskId: string, attempt: number): string => v5(`${listTaskId}:${attempt}`, namespace);

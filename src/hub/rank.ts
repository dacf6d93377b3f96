import { priorityWorthMs } from './limits.ts';

/**
 * A task's place in the queue, lowest first: when it was created, brought forward by what its priority is worth. It never changes, so it can
 * stand in an index, and nothing starves: whatever has waited longer than the difference in priority is worth goes first.
 */
export const rankOf = ({ createdAt, priority }: { readonly createdAt: Date; readonly priority: number }): number =>
  createdAt.getTime() - priority * priorityWorthMs;

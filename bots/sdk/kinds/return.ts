import { ReturnProgress, ReturnResult, ReturnTask } from '../../../src/gen/kinds/return/v1/return.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { defineKind } from '../kind.ts';

export type { Item as ReturnItem, Stop as ReturnStop } from '../../../src/gen/kinds/return/v1/return.ts';
export type { ReturnProgress, ReturnResult, ReturnTask };

/** Bring back to their stores what this bot had picked for an order when its attempt came to nothing. */
export const returnKind = defineKind<ReturnTask, ReturnProgress, ReturnResult>({
  ...kinds.return,
  task: ReturnTask,
  progress: ReturnProgress,
  result: ReturnResult,
});

import type { Attributes } from '@opentelemetry/api';
import {
  ATTR_ATTEMPT,
  ATTR_BOT_ID,
  ATTR_CORRELATION_ID,
  ATTR_FENCE,
  ATTR_ORDER_ID,
  ATTR_SCHEMA_DIGEST,
  ATTR_SESSION_ID,
  ATTR_TASK_ID,
} from '../telemetry/attributes.ts';
import { languageOf, type Task } from './task-phase.ts';

/** On every span and log line about a task that a bot of this hub has or is to have. */
export const taskAttributes = (
  task: Task,
  { botId, sessionId }: { readonly botId: string; readonly sessionId: string },
): Attributes => ({
  [ATTR_BOT_ID]: botId,
  [ATTR_TASK_ID]: task.taskId,
  [ATTR_FENCE]: task.fence,
  [ATTR_ORDER_ID]: task.orderId,
  [ATTR_CORRELATION_ID]: task.correlationId,
  [ATTR_SCHEMA_DIGEST]: languageOf(task).digest,
  ...(sessionId && { [ATTR_SESSION_ID]: sessionId }),
  [ATTR_ATTEMPT]: task.attempt,
});

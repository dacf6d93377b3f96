import { quoted } from '../contract/errors.ts';
import { isId } from '../contract/ids.ts';
import { type Message, open } from '../contract/message.ts';
import { type TaskCancelRequested, TaskRequested } from '../gen/events/depot/v1/events.ts';
import type { SchemaRef } from '../gen/fleet/v1/fleet.ts';
import type { Changed } from './change.ts';
import { botIdPattern } from './hello.ts';
import { defaultMaxAttempts, mostAttempts, mostPriority } from './limits.ts';
import type { ProtocolView } from './protocol/view.ts';
import { isInstant, storedReason } from './read-report.ts';
import { cancelled, poison } from './task-ends.ts';
import type { Task } from './task-phase.ts';

const unknownSchema: SchemaRef = { kind: '', revision: 0, digest: '' };

/** The task that a message asks for; POISON when no bot could ever do it, going by the revisions that there are. */
export function readTask(
  message: Message,
  traceparent: string,
  now: Date,
  protocol: Pick<ProtocolView, 'flawOf'>,
): Changed {
  const asked = readBody(message, protocol);
  const task = taskOf(message, asked.body, traceparent, now);
  return asked.flaw ? poison(task, '', asked.flaw, now) : { verdict: 'changed', task, events: [] };
}

/**
 * The end of a task that depot.task_cancel_requested asks for, as it is stored where nobody knows the task yet; undefined for another message, and
 * for one that names no task.
 */
export function readCancel(message: Message, traceparent: string, now: Date): Changed | undefined {
  if (message.name !== 'depot.task_cancel_requested') return undefined;
  let asked: TaskCancelRequested;
  try {
    asked = open({ ...message, name: message.name }).body;
  } catch {
    return undefined;
  }
  const { taskId, orderId, reason } = asked;
  if (!isId(taskId) || !isId(orderId)) return undefined;
  const task = taskOf(message, TaskRequested.fromPartial({ taskId, orderId }), traceparent, now);
  return cancelled(task, '', storedReason(reason, 'cancelled'), now);
}

function taskOf(message: Message, body: TaskRequested | undefined, traceparent: string, now: Date): Task {
  const { id: messageId, key, correlationId } = message;
  return {
    taskId: body?.taskId ?? message.task?.id ?? messageId,
    orderId: body?.orderId ?? key,
    schema: body?.schema ?? unknownSchema,
    payload: body?.payload ?? new Uint8Array(),
    priority: body?.priority ?? 0,
    deadline: body?.deadline,
    onlyBotId: body?.onlyBotId ?? '',
    maxAttempts: Math.min(body?.maxAttempts || defaultMaxAttempts, mostAttempts),
    position: body?.position,
    traceparent,
    correlationId,
    causationId: messageId,
    createdAt: now,
    attempt: 1,
    fence: 0,
    lost: undefined,
    pinned: undefined,
    since: now,
    phase: { state: 'QUEUED', notBefore: now },
  };
}

/** The body as far as its fields can be used, and what is wrong with it. */
function readBody(
  message: Message,
  protocol: Pick<ProtocolView, 'flawOf'>,
): { body: TaskRequested | undefined; flaw: string | undefined } {
  const refuse = (flaw: string, body?: TaskRequested) => ({ body, flaw });
  if (message.name !== 'depot.task_requested') return refuse(`${message.name} is no task`);
  let body: TaskRequested;
  try {
    body = open({ ...message, name: message.name }).body;
  } catch (error) {
    return refuse((error as Error).message);
  }
  const { taskId, orderId, schema, position, priority, deadline, onlyBotId } = body;
  if (!isId(taskId)) return refuse(`task_id is ${quoted(taskId)}; give a UUID`);
  if (!isId(orderId)) return refuse(`order_id is ${quoted(orderId)}; give a UUID`);
  const unspoken = protocol.flawOf(schema ?? unknownSchema);
  if (!schema || unspoken) {
    const asked = `kind ${quoted(schema?.kind ?? '')} with digest ${quoted(schema?.digest ?? '')}`;
    // Not stored: text that nobody has checked.
    return refuse(`schema is ${asked}, ${unspoken}`, { ...body, schema: unknownSchema });
  }
  if (position && !(Number.isFinite(position.x) && Number.isFinite(position.y))) {
    return refuse(`position is ${quoted(position)}; give metres`, { ...body, position: undefined });
  }
  if (Math.abs(priority) > mostPriority) {
    return refuse(`priority is ${priority}; give -${mostPriority} to ${mostPriority}`, { ...body, priority: 0 });
  }
  if (deadline && !isInstant(deadline)) {
    return refuse('deadline is out of range; give an instant of the years 1 to 9999', { ...body, deadline: undefined });
  }
  if (onlyBotId !== '' && !botIdPattern.test(onlyBotId)) {
    return refuse(`only_bot_id is ${quoted(onlyBotId)}; repeat the bot_id of its hello`, { ...body, onlyBotId: '' });
  }
  return { body, flaw: undefined };
}

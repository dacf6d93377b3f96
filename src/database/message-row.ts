import { isMessageName } from '../contract/events.ts';
import type { Message } from '../contract/message.ts';

/** The columns that outbox, parked and journal share (see tables.ts). */
export interface MessageRow {
  readonly messageId: string;
  readonly name: string;
  readonly key: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly traceparent: string;
  readonly taskId: string | null;
  readonly fence: number | null;
  readonly body: Uint8Array;
  readonly occurredAt: Date;
}

export function toRow({ id, source: _, time, task, ...same }: Message): MessageRow {
  return { ...same, messageId: id, taskId: task?.id ?? null, fence: task?.fence ?? null, occurredAt: time };
}

/** @throws Error when this version of the program does not know the name: a newer one wrote the row */
export function fromRow(row: MessageRow, source: string): Message {
  const { messageId, name, key, correlationId, causationId, traceparent, taskId, fence, body, occurredAt } = row;
  if (!isMessageName(name))
    throw new Error(`message ${messageId} has the name "${name}", which this version does not know`);
  const task = taskId === null ? undefined : { id: taskId, fence: fence ?? 0 };
  return { id: messageId, name, source, time: occurredAt, key, correlationId, causationId, traceparent, task, body };
}

import { isMessageName, type MessageName } from '../contract/events.ts';
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

/** As it is written, whoever knows its name. */
export function messageIn(row: MessageRow, source: string): Message {
  const { messageId, key, correlationId, causationId, traceparent, taskId, fence, body, occurredAt } = row;
  const name = row.name as MessageName;
  const task = taskId === null ? undefined : { id: taskId, fence: fence ?? 0 };
  return { id: messageId, name, source, time: occurredAt, key, correlationId, causationId, traceparent, task, body };
}

/** @throws Error when this version of the program does not know the name: a newer one wrote it */
export function known(message: Message): Message {
  const { id, name } = message;
  if (isMessageName(name)) return message;
  throw new Error(`message ${id} has the name "${String(name)}", which this version does not know`);
}

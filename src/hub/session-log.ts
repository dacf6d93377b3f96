import type { Logger } from 'pino';
import type { MallError } from '../contract/errors.ts';
import type { BotFrame, Hello } from '../gen/fleet/v1/fleet.ts';
import {
  ATTR_ATTEMPT,
  ATTR_BOT_ID,
  ATTR_CORRELATION_ID,
  ATTR_EPOCH,
  ATTR_FENCE,
  ATTR_ORDER_ID,
  ATTR_SESSION_ID,
  ATTR_TASK_ID,
} from '../telemetry/attributes.ts';
import type { LiveBot } from './live-bot.ts';
import type { Refusal } from './refusal.ts';
import type { Task } from './task-phase.ts';

export type Refusable = Pick<BotFrame, 'seq'> & Partial<Pick<BotFrame, 'traceparent' | 'body'>>;

/** The task that a frame is about, by its own words. */
export function namedTask({ body }: Pick<Refusable, 'body'>): { readonly taskId: string; readonly fence: number } {
  const value = body?.value as { taskId?: string; fence?: number } | undefined;
  return { taskId: value?.taskId ?? '', fence: value?.fence ?? 0 };
}

/** What log lines say of a frame, in fields; its bot and session are the logger's. */
export function aboutFrame(frame: Refusable): Readonly<Record<string, unknown>> {
  const { taskId, fence } = namedTask(frame);
  return { seq: frame.seq, frame: frame.body?.$case, ...(taskId && { [ATTR_TASK_ID]: taskId, [ATTR_FENCE]: fence }) };
}

/** And of its refusal; `known` is the task where the bot has it. */
export const aboutRefusal = (frame: Refusable, { reason, message: detail }: Refusal, known: Task | undefined) => ({
  ...aboutFrame(frame),
  ...(known && {
    [ATTR_ORDER_ID]: known.orderId,
    [ATTR_CORRELATION_ID]: known.correlationId,
    [ATTR_ATTEMPT]: known.attempt,
  }),
  reason,
  detail,
});

export const aboutSession = ({ botId, sessionId, epoch }: Pick<LiveBot, 'botId' | 'sessionId' | 'epoch'>) => ({
  [ATTR_BOT_ID]: botId,
  [ATTR_SESSION_ID]: sessionId,
  [ATTR_EPOCH]: epoch,
});

/** Of what a stranger calls itself. Characters; as long as a bot id may be. */
const maxNamedChars = 64;

/** A stream that did not become a session: an impossible hello, or a bot id that is taken; INTERNAL is a mistake of ours. */
export function logRefused(logger: Logger, hello: Pick<Hello, 'botId' | 'instanceId'>, error: MallError): void {
  const { code, detail, message, cause } = error;
  const about = {
    [ATTR_BOT_ID]: hello.botId.slice(0, maxNamedChars),
    instance: hello.instanceId.slice(0, maxNamedChars),
  };
  const why = { code, reason: detail.reason, detail: message, ...(cause !== undefined && { err: cause }) };
  logger[code === 'INTERNAL' ? 'error' : 'info']({ ...about, ...why }, 'session refused');
}

/** Streams come and go; one that was flooded or not read, or failed on our side, is for somebody to look at. */
export function logClosed(logger: Logger, error: MallError | undefined): void {
  const { code = 'OK', detail, message } = error ?? {};
  const level = code === 'RESOURCE_EXHAUSTED' || code === 'INTERNAL' ? 'warn' : 'debug';
  logger[level]({ code, reason: detail?.reason, detail: message }, 'session closed');
}

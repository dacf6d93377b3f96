import type { Received } from '../../contract/message.ts';
import { readable } from '../../contract/readable.ts';
import { StuckReason } from '../../gen/events/depot/v1/events.ts';
import type { TimelineRow } from './store.ts';

/** What a bot said byte by byte is for programs that know its schema. */
const notForPeople: ReadonlySet<string> = new Set(['original']);

const stuckReasons = new Map<number, string>(Object.entries(StuckReason).map(([name, number]) => [number, name]));

/**
 * An order's event as its time line keeps it: `data` has the fields of the event under the names of their proto (camelCase), times as
 * ISO 8601.
 * @throws Error when the event names no order: it gets parked, since nobody could ever find it
 */
export function timelineEntry(event: Received): Omit<TimelineRow, 'id'> {
  const body = event.body as { orderId?: string; task?: { orderId: string } };
  const orderId = body.orderId ?? body.task?.orderId;
  if (!orderId) throw new Error(`${event.name} ${event.id} names no order`);
  const data = readable(event.body, notForPeople) as Record<string, unknown>;
  if (event.name === 'depot.list_stuck') data.reason = stuckReasons.get(data.reason as number) ?? 'UNSPECIFIED';
  return { orderId, name: event.name, at: event.time, data: { orderId, ...data }, traceparent: event.traceparent };
}

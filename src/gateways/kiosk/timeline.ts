import type { Received } from '../../contract/message.ts';
import { StuckReason } from '../../gen/events/depot/v1/events.ts';
import type { TimelineRow } from './store.ts';

/** What a bot said byte by byte is for programs that know its schema, and unknown fields are for nobody here. */
const notReadable: ReadonlySet<string> = new Set(['original', '_unknownFields']);

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
  const data = readable(event.body) as Record<string, unknown>;
  if (event.name === 'depot.list_stuck') data.reason = stuckReasons.get(data.reason as number) ?? 'UNSPECIFIED';
  return { orderId, name: event.name, at: event.time, data: { orderId, ...data }, traceparent: event.traceparent };
}

function readable(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, field]) => field !== undefined && !notReadable.has(name))
      .map(([name, field]) => [name, readable(field)]),
  );
}

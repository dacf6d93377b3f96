import { writeFileSync } from 'node:fs';
import { type OtlpSpan, type OtlpTraces, type RecordedSpan, recordedSpans } from '../../src/telemetry/recorded-span.ts';

/** 2026-01-02T03:04:05Z: when the examples begin, ms. */
export const epochMs = Date.UTC(2026, 0, 2, 3, 4, 5);
const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;

export interface Example {
  readonly id: string;
  readonly parent?: string;
  readonly trace?: string;
  readonly service: string;
  readonly name: string;
  readonly kind?: keyof typeof kinds;
  /** From and to, ms after the beginning. */
  readonly at: readonly [number, number];
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  readonly links?: readonly string[];
  readonly error?: string;
  readonly exceptions?: readonly string[];
  /** What a bot reported, at the end of the span. */
  readonly reports?: ReadonlyArray<{
    readonly what: 'progress' | 'result';
    readonly revision: number;
    readonly json: string;
  }>;
}

export const orderId = '0199c1f0-7c1e-7d0a-8a52-0d6f6f1c2b11';
export const taskId = '0199c1f0-7c1e-7d0a-8a52-0d6f6f1caaaa';
export const mainTrace = 'a'.repeat(32);
export const deskTrace = 'b'.repeat(32);
export const lookTrace = 'c'.repeat(32);
const order = { 'mallbots.order_id': orderId };

/** An order that is placed, waits for a bot, is picked, ready, paid late and handed over; and a look at it. */
export const story: readonly Example[] = [
  { id: '01', service: 'kiosk', name: 'POST /v1/orders', kind: 'server', at: [0, 40], attributes: order },
  { id: '02', parent: '01', service: 'kiosk', name: 'orders.v1.Orders/PlaceOrder', kind: 'client', at: [5, 35] },
  {
    id: '03',
    parent: '02',
    service: 'orders',
    name: 'orders.v1.Orders/PlaceOrder',
    kind: 'server',
    at: [10, 30],
    attributes: order,
  },
  {
    id: '04',
    parent: '03',
    service: 'orders',
    name: 'send orders.events:orders.placed',
    kind: 'producer',
    at: [50, 60],
  },
  {
    id: '05',
    parent: '04',
    service: 'kiosk',
    name: 'process orders.events:orders.placed:kiosk.inbox',
    kind: 'consumer',
    at: [52, 58],
  },
  {
    ...{
      id: '06',
      parent: '04',
      service: 'depot',
      name: 'process orders.events:orders.placed:depot.inbox',
      kind: 'consumer',
    },
    ...{ at: [55, 100], exceptions: ['the database is away'] },
  },
  { id: '07', parent: '06', service: 'depot', name: 'send depot.tasks:hub.tasks', kind: 'producer', at: [350, 360] },
  {
    ...{
      id: '08',
      parent: '07',
      service: 'hub',
      name: 'process depot.tasks:hub.tasks',
      kind: 'consumer',
      at: [355, 370],
    },
    attributes: { ...order, 'mallbots.task_id': taskId },
  },
  { id: '09', parent: '08', service: 'hub', name: 'offer shop', kind: 'producer', at: [2_370, 2_371] },
  { id: '0a', parent: '09', service: 'hub', name: 'lease shop', at: [2_380, 2_390] },
  {
    ...{ id: '0b', parent: '0a', service: 'bot', name: 'shop task', kind: 'consumer', at: [2_390, 9_000] },
    attributes: { 'mallbots.bot_id': 'bot-7', 'mallbots.task_id': taskId },
    reports: [{ what: 'result', revision: 2, json: '{"lines":[{"picked":2},{"picked":0}],"walked' }],
  },
  { id: '0c', parent: '0b', service: 'bot', name: 'visit store', at: [2_400, 6_000] },
  {
    ...{ id: '0d', parent: '0c', service: 'bot', name: 'pick item', at: [4_000, 5_900] },
    attributes: { 'mallbots.bot_id': 'bot-7', 'mallbots.task_id': taskId },
    reports: [{ what: 'progress', revision: 2, json: '{"itemPicked":{"quantity":2,"giftNote":"for Ada"}}' }],
  },
  { id: '0e', parent: '0b', service: 'bot', name: 'walk to depot', at: [6_000, 8_900] },
  { id: '0f', parent: '0b', service: 'hub', name: 'result shop', at: [8_950, 9_010] },
  {
    id: '10',
    parent: '0f',
    service: 'hub',
    name: 'send bots.events:bots.task_succeeded',
    kind: 'producer',
    at: [9_020, 9_030],
  },
  {
    ...{ id: '11', parent: '10', service: 'orders', name: 'process bots.events:bots.task_succeeded:orders.inbox' },
    ...{ kind: 'consumer', at: [9_022, 9_040] },
  },
  {
    ...{ id: '12', parent: '10', service: 'stores', name: 'process bots.events:bots.task_succeeded:stores.inbox' },
    ...{ kind: 'consumer', at: [9_025, 9_080], error: 'no such product\n  at line 1' },
  },
  {
    id: '13',
    parent: '01',
    service: 'kiosk',
    name: 'GET /v1/orders/:orderId/events',
    kind: 'server',
    at: [60, 20_000],
  },
  {
    ...{ id: '14', parent: '01', service: 'staff', name: 'link staff.v1.Staff/HandOver', at: [19_005, 19_005] },
    ...{ attributes: order, links: [deskTrace] },
  },
  {
    ...{
      id: '20',
      trace: deskTrace,
      service: 'staff',
      name: 'staff.v1.Staff/HandOver',
      kind: 'server',
      at: [19_000, 19_100],
    },
    ...{ attributes: order, links: [mainTrace] },
  },
  {
    ...{ id: '21', trace: deskTrace, parent: '20', service: 'orders', name: 'send orders.events:orders.completed' },
    ...{ kind: 'producer', at: [19_050, 19_060] },
  },
  {
    ...{
      id: '30',
      trace: lookTrace,
      service: 'kiosk',
      name: 'GET /v1/orders/:orderId',
      kind: 'server',
      at: [500, 510],
    },
    ...{ attributes: order, links: [mainTrace] },
  },
];

const nanoseconds = (ms: number): string => String(BigInt(Math.round((epochMs + ms) * 1_000)) * 1_000n);
const spanIdOf = (id: string) => id.padStart(16, '0');
const otlpValue = (value: string | number | boolean) =>
  typeof value === 'string'
    ? { stringValue: value }
    : typeof value === 'number'
      ? { intValue: String(value) }
      : { boolValue: value };
const attributesOf = (attributes: Readonly<Record<string, string | number | boolean>> = {}) =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: otlpValue(value) }));

function otlpSpan(span: Example): OtlpSpan {
  const {
    id,
    parent,
    trace = mainTrace,
    name,
    kind = 'internal',
    at,
    attributes,
    links = [],
    error,
    exceptions = [],
    reports = [],
  } = span;
  return {
    traceId: trace,
    spanId: spanIdOf(id),
    ...(parent !== undefined && { parentSpanId: spanIdOf(parent) }),
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanoseconds(at[0]),
    endTimeUnixNano: nanoseconds(at[1]),
    attributes: attributesOf(attributes),
    events: [
      ...exceptions.map((message) => ({
        name: 'exception',
        timeUnixNano: nanoseconds(at[1]),
        attributes: attributesOf({ 'exception.message': message }),
      })),
      ...reports.map(({ what, revision, json }) => ({
        name: what,
        timeUnixNano: nanoseconds(at[1]),
        attributes: attributesOf({
          ...{ 'mallbots.kind': 'shop', 'mallbots.revision': revision, 'mallbots.schema_digest': `sha256:${revision}` },
          'mallbots.report': json,
        }),
      })),
    ],
    links: links.map((traceId) => ({ traceId, spanId: spanIdOf('01') })),
    status: error === undefined ? {} : { code: 2, message: error },
  };
}

/** As the collector and the file have them: by service. */
export function otlp(examples: readonly Example[]): OtlpTraces {
  return {
    resourceSpans: [...Map.groupBy(examples, ({ service }) => service)].map(([service, spans]) => ({
      resource: { attributes: attributesOf({ 'service.name': service }) },
      scopeSpans: [{ scope: { name: 'mallbots' }, spans: spans.map(otlpSpan) }],
    })),
  };
}

export const recorded = (examples: readonly Example[]): RecordedSpan[] => recordedSpans(otlp(examples));

/** Each document a line. */
export const writeLines = (file: string, documents: readonly OtlpTraces[]): void =>
  writeFileSync(file, documents.map((document) => `${JSON.stringify(document)}\n`).join(''));

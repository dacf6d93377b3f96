import { BinaryReader } from '@bufbuild/protobuf/wire';

/** A span as it came over the wire, with the service of its resource. */
export interface ReceivedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>;
  readonly statusCode: number;
}

/** A metric as it came over the wire, with the service of its resource. */
export interface ReceivedMetric {
  readonly service: string;
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly type: 'gauge' | 'sum' | 'histogram';
  /** Of a sum: it only grows. */
  readonly monotonic: boolean;
  readonly points: readonly ReceivedPoint[];
}

export interface ReceivedPoint {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Of a histogram: the sum of all values. */
  readonly value: number;
  /** Of a histogram. */
  readonly count: number;
  readonly bounds: readonly number[];
  readonly buckets: readonly number[];
}

// Messages as the published opentelemetry-proto 1.x numbers their fields; independent of the exporter, which has an encoder of its own.
type Field = (reader: BinaryReader) => unknown;
type Shape = Readonly<Record<number, readonly [name: string, field: Field]>>;

const text: Field = (reader) => reader.string();
const hex: Field = (reader) => Buffer.from(reader.bytes()).toString('hex');
const number: Field = (reader) => Number(reader.int64());
const fixed64: Field = (reader) => BigInt(reader.fixed64());
const message =
  (shape: Shape): Field =>
  (reader) =>
    decode(reader.bytes(), shape);

const anyValue: Shape = {
  1: ['value', text],
  2: ['value', (reader) => reader.bool()],
  3: ['value', number],
  4: ['value', (reader) => reader.double()],
};
const keyValue: Shape = { 1: ['key', text], 2: ['any', message(anyValue)] };
const spanShape: Shape = {
  1: ['traceId', hex],
  2: ['spanId', hex],
  4: ['parentSpanId', hex],
  5: ['name', text],
  6: ['kind', number],
  7: ['startTimeUnixNano', fixed64],
  8: ['endTimeUnixNano', fixed64],
  9: ['attributes', message(keyValue)],
  13: ['links', message({ 1: ['traceId', hex], 2: ['spanId', hex] })],
  15: ['status', message({ 3: ['code', number] })],
};
const double: Field = (reader) => reader.double();
const count: Field = (reader) => Number(reader.fixed64());
/** Repeated, in the packed form that proto3 has for numbers. */
const packed =
  (field: Field): Field =>
  (reader) => {
    const inner = new BinaryReader(reader.bytes());
    const values: unknown[] = [];
    while (inner.pos < inner.len) values.push(field(inner));
    return values;
  };
const numberPoint: Shape = {
  4: ['value', double],
  6: ['value', (reader) => Number(reader.sfixed64())],
  7: ['attributes', message(keyValue)],
};
const histogramPoint: Shape = {
  4: ['count', count],
  5: ['value', double],
  6: ['buckets', packed(count)],
  7: ['bounds', packed(double)],
  9: ['attributes', message(keyValue)],
};
const metricShape: Shape = {
  1: ['name', text],
  2: ['description', text],
  3: ['unit', text],
  5: ['gauge', message({ 1: ['points', message(numberPoint)] })],
  7: ['sum', message({ 1: ['points', message(numberPoint)], 3: ['monotonic', (reader) => reader.bool()] })],
  9: ['histogram', message({ 1: ['points', message(histogramPoint)] })],
};
const scopeMetrics: Shape = { 2: ['metrics', message(metricShape)] };
const scopeSpans: Shape = { 2: ['spans', message(spanShape)] };
const resource: Shape = { 1: ['attributes', message(keyValue)] };
const resourceSpans: Shape = { 1: ['resource', message(resource)], 2: ['scopeSpans', message(scopeSpans)] };
const traceRequest: Shape = { 1: ['resourceSpans', message(resourceSpans)] };
const resourceMetrics: Shape = { 1: ['resource', message(resource)], 2: ['scopeMetrics', message(scopeMetrics)] };
const metricsRequest: Shape = { 1: ['resourceMetrics', message(resourceMetrics)] };

/** Every field as the list of its values; those not in `shape` are passed over. */
type Decoded = { readonly [name: string]: readonly unknown[] | undefined };

function decode(bytes: Uint8Array, shape: Shape): Decoded {
  const reader = new BinaryReader(bytes);
  const decoded: Record<string, unknown[]> = {};
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    const field = shape[fieldNumber];
    if (!field) {
      reader.skip(wireType, fieldNumber);
      continue;
    }
    const [name, read] = field;
    decoded[name] = [...(decoded[name] ?? []), read(reader)];
  }
  return decoded;
}

const many = (from: Decoded | undefined, name: string) => (from?.[name] ?? []) as Decoded[];
const one = <T>(from: Decoded | undefined, name: string, absent: T) => (from?.[name]?.[0] ?? absent) as T;

const attributesOf = (from: Decoded | undefined): Record<string, unknown> =>
  Object.fromEntries(
    many(from, 'attributes').map((entry) => [one(entry, 'key', ''), one(many(entry, 'any')[0], 'value', undefined)]),
  );

const serviceOf = (group: Decoded): string => String(attributesOf(many(group, 'resource')[0])['service.name']);

export function spansOf(body: Uint8Array): ReceivedSpan[] {
  return many(decode(body, traceRequest), 'resourceSpans').flatMap((group) => {
    const service = serviceOf(group);
    const spans = many(group, 'scopeSpans').flatMap((scope) => many(scope, 'spans'));
    return spans.map((span) => ({
      service,
      traceId: one(span, 'traceId', ''),
      spanId: one(span, 'spanId', ''),
      parentSpanId: one(span, 'parentSpanId', ''),
      name: one(span, 'name', ''),
      kind: one(span, 'kind', 0),
      startTimeUnixNano: one(span, 'startTimeUnixNano', 0n),
      endTimeUnixNano: one(span, 'endTimeUnixNano', 0n),
      attributes: attributesOf(span),
      links: many(span, 'links').map((link) => ({
        traceId: one(link, 'traceId', ''),
        spanId: one(link, 'spanId', ''),
      })),
      statusCode: one(many(span, 'status')[0], 'code', 0),
    }));
  });
}

export function metricsOf(body: Uint8Array): ReceivedMetric[] {
  return many(decode(body, metricsRequest), 'resourceMetrics').flatMap((group) => {
    const metrics = many(group, 'scopeMetrics').flatMap((scope) => many(scope, 'metrics'));
    return metrics.map((metric) => {
      const type = (['gauge', 'sum', 'histogram'] as const).find((name) => metric[name])!;
      const data = many(metric, type)[0];
      return {
        service: serviceOf(group),
        name: one(metric, 'name', ''),
        description: one(metric, 'description', ''),
        unit: one(metric, 'unit', ''),
        type,
        monotonic: one(data, 'monotonic', false),
        points: many(data, 'points').map((point) => ({
          attributes: attributesOf(point),
          value: one(point, 'value', 0),
          count: one(point, 'count', 0),
          bounds: one<number[]>(point, 'bounds', []),
          buckets: one<number[]>(point, 'buckets', []),
        })),
      };
    });
  });
}

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
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

export interface OtlpReceiver extends AsyncDisposable {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to. */
  readonly endpoint: string;
  readonly requests: ReadonlyArray<{ readonly path: string | undefined; readonly contentType: string | undefined }>;
  spans(): ReceivedSpan[];
  /** The next request is answered with this HTTP status, and its spans are not taken. */
  refuseNext(status: number): void;
}

/** A collector's OTLP/HTTP receiver for traces in protobuf: it keeps what it is sent. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const requests: Array<{ path: string | undefined; contentType: string | undefined }> = [];
  const spans: ReceivedSpan[] = [];
  const refusals: number[] = [];
  const server = createServer(async (request, response) => {
    requests.push({ path: request.url, contentType: request.headers['content-type'] });
    const refusal = refusals.shift();
    const body = await bodyOf(request);
    if (refusal === undefined) spans.push(...spansOf(body));
    // An empty ExportTraceServiceResponse is full success, and no bytes.
    response.writeHead(refusal ?? 200, { 'content-type': 'application/x-protobuf' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    spans: () => spans,
    refuseNext: (status) => refusals.push(status),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const body = await buffer(request);
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
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
const scopeSpans: Shape = { 2: ['spans', message(spanShape)] };
const resource: Shape = { 1: ['attributes', message(keyValue)] };
const resourceSpans: Shape = { 1: ['resource', message(resource)], 2: ['scopeSpans', message(scopeSpans)] };
const exportRequest: Shape = { 1: ['resourceSpans', message(resourceSpans)] };

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

function spansOf(body: Uint8Array): ReceivedSpan[] {
  return many(decode(body, exportRequest), 'resourceSpans').flatMap((group) => {
    const service = String(attributesOf(many(group, 'resource')[0])['service.name']);
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

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type OtlpTraces, otlpDocument, type RecordedSpan, recordedSpans } from '../../src/telemetry/recorded-span.ts';

export interface JaegerDouble extends AsyncDisposable {
  /** What `JAEGER_URL` is set to. */
  readonly url: string;
  /** Paths asked for, with their parameters. */
  readonly asked: readonly string[];
}

export interface JaegerOptions {
  /** It has `/api/v3`; a Jaeger without answers there, as at every path that it does not know, with its page. */
  readonly v3: boolean;
  /** Its `/api/v3` searches by attributes; others pass over the parameter. */
  readonly byAttributes?: boolean;
}

type Json = Readonly<Record<string, unknown>>;
interface Answer {
  readonly status: number;
  readonly body: Json;
}

/**
 * A Jaeger that has these spans and answers as its documentation says (https://www.jaegertracing.io/docs/latest/apis/): `/api/v3` in OTLP JSON below
 * `result` with a text type, and errors below `error`; `/api` in its own model below `data`, and errors in `errors`.
 */
export async function startJaeger(
  traces: OtlpTraces,
  { v3, byAttributes = true }: JaegerOptions,
): Promise<JaegerDouble> {
  const spans = recordedSpans(traces);
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://jaeger');
    asked.push(request.url!);
    const services = [...new Set(spans.map(({ service }) => service))];
    const answer =
      v3 && pathname === '/api/v3/services'
        ? { status: 200, body: { services } }
        : pathname === '/api/services'
          ? { status: 200, body: { data: services.length > 0 ? services : null, total: services.length, errors: null } }
          : v3 && pathname.startsWith('/api/v3/traces')
            ? answerV3(spans, pathname, searchParams, byAttributes)
            : pathname.startsWith('/api/traces')
              ? answerOlder(spans, pathname, searchParams)
              : undefined;
    // Jaeger writes v3 without naming a type, and Go takes JSON for text.
    if (answer)
      response
        .writeHead(answer.status, { 'content-type': 'text/plain; charset=utf-8' })
        .end(JSON.stringify(answer.body));
    else response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Jaeger UI</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Search {
  readonly service: string;
  readonly operation: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly limit: number;
}

/** Traces in which one span has it all, the newest first. */
function search(spans: readonly RecordedSpan[], { service, operation, tags, limit }: Search): RecordedSpan[] {
  const isWanted = (span: RecordedSpan) =>
    span.service === service &&
    (operation === '' || span.name === operation) &&
    Object.entries(tags).every(
      ([key, value]) => String(key === 'error' ? span.failed : span.attributes[key]) === value,
    );
  const found = [...Map.groupBy(spans, ({ traceId }) => traceId).values()].filter((trace) => trace.some(isWanted));
  const newest = found.toSorted(
    (a, b) => Math.max(...b.map(({ startUs }) => startUs)) - Math.max(...a.map(({ startUs }) => startUs)),
  );
  return newest.slice(0, limit).flat();
}

function answerV3(spans: readonly RecordedSpan[], path: string, query: URLSearchParams, byAttributes: boolean): Answer {
  const refuse = (httpCode: number, message: string) => ({ status: httpCode, body: { error: { httpCode, message } } });
  const [, id] = /^\/api\/v3\/traces\/([0-9a-f]+)$/.exec(path) ?? [];
  if (!id) {
    const times = ['query.start_time_min', 'query.start_time_max'].map((name) => query.get(name) ?? '');
    if (times.includes('')) return refuse(400, 'query.start_time_min and query.start_time_max are required');
    if (times.some((time) => Number.isNaN(Date.parse(time))))
      return refuse(400, 'malformed parameter query.start_time_min');
  }
  const found = id
    ? spans.filter(({ traceId }) => traceId === id)
    : search(spans, {
        service: query.get('query.service_name') ?? '',
        operation: query.get('query.operation_name') ?? '',
        tags: byAttributes ? JSON.parse(query.get('query.attributes') ?? '{}') : {},
        limit: Number(query.get('query.search_depth') ?? 100),
      });
  return found.length > 0 ? { status: 200, body: { result: otlpDocument(found) } } : refuse(404, 'No traces found');
}

function answerOlder(spans: readonly RecordedSpan[], path: string, query: URLSearchParams): Answer {
  const envelope = { total: 0, limit: 0, offset: 0 };
  const refuse = (code: number, msg: string) => ({
    status: code,
    body: { data: null, ...envelope, errors: [{ code, msg }] },
  });
  const [, id] = /^\/api\/traces\/([0-9a-f]+)$/.exec(path) ?? [];
  if (id) {
    const trace = spans.filter(({ traceId }) => traceId === id);
    return trace.length > 0
      ? { status: 200, body: { data: modelOf(trace), ...envelope, errors: null } }
      : refuse(404, 'trace not found');
  }
  const service = query.get('service');
  if (!service) return refuse(400, "parameter 'service' is required");
  const found = search(spans, {
    service,
    operation: query.get('operation') ?? '',
    tags: JSON.parse(query.get('tags') ?? '{}'),
    limit: Number(query.get('limit') ?? 100),
  });
  return { status: 200, body: { data: modelOf(found), ...envelope, errors: null } };
}

/** Jaeger's own model of the same spans. */
function modelOf(spans: readonly RecordedSpan[]): Json[] {
  return [...Map.groupBy(spans, ({ traceId }) => traceId)].map(([traceID, trace]) => {
    const services = [...new Set(trace.map(({ service }) => service))];
    return {
      traceID,
      spans: trace.map((span) => ({
        traceID,
        spanID: span.spanId,
        operationName: span.name,
        references: [
          ...(span.parentSpanId ? [{ refType: 'CHILD_OF', traceID, spanID: span.parentSpanId }] : []),
          ...span.links.map((link) => ({ refType: 'FOLLOWS_FROM', traceID: link.traceId, spanID: link.spanId })),
        ],
        startTime: span.startUs,
        duration: span.endUs - span.startUs,
        tags: [
          ...tagsOf(span.attributes),
          { key: 'span.kind', type: 'string', value: span.kind },
          ...(span.failed
            ? tagsOf({ error: true, 'otel.status_code': 'ERROR', 'otel.status_description': span.message })
            : []),
        ],
        logs: span.events.map(({ name, attributes }) => ({
          timestamp: span.endUs,
          fields: tagsOf({ event: name, ...attributes }),
        })),
        processID: `p${services.indexOf(span.service)}`,
        warnings: null,
      })),
      processes: Object.fromEntries(services.map((serviceName, index) => [`p${index}`, { serviceName, tags: [] }])),
      warnings: null,
    };
  });
}

const jaegerTypes: Readonly<Record<string, string>> = { string: 'string', boolean: 'bool', number: 'int64' };
const tagsOf = (attributes: Readonly<Record<string, string | number | boolean>>) =>
  Object.entries(attributes).map(([key, value]) => ({ key, type: jaegerTypes[typeof value], value }));

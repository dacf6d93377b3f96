import { MallError } from '../contract/errors.ts';
import { rootMessage } from '../kit/root-message.ts';
import { ATTR_ORDER_ID, ATTR_TASK_ID } from '../telemetry/attributes.ts';
import { type OtlpTraces, orderOf, type RecordedSpan, recordedSpans, taskOf } from '../telemetry/recorded-span.ts';
import { type JaegerTrace, otlpOf } from './trace-jaeger-model.ts';
import type { TraceSource } from './trace-source.ts';
import { placingOperation } from './trace-tree.ts';

/** For one answer, ms: somebody waits at a terminal. */
const answerTimeoutMs = 15_000;
/** Of one answer, bytes: an order is some 100 kB. */
const maxAnswerBytes = 256 * 1024 * 1024;
/** How far back is searched, ms: Jaeger wants a range, and `otel/jaeger.yaml` keeps traces for three days. */
const lookbackMs = 7 * 24 * 3_600_000;
/** Of one order in one service. An order has a trace or two, and looks at it. */
const maxTracesOfOrder = 100;
/** The newest orders that a search for the end of an id, the slowest or the failed ones looks at. */
const maxRecent = 200;
/** The newest traces in which a service has failed. */
const maxFailed = 100;

/** Jaeger searches by service. One of these takes part in whatever happens to an order; the first in its placing, which the newest are found by. */
const services = ['kiosk', 'orders', 'depot', 'hub', 'staff', 'payments', 'stores'] as const;

interface Search {
  readonly service: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly operation?: string;
  readonly limit: number;
}

/**
 * The query API of a Jaeger at `url`: `/api/v3`, which answers in OTLP JSON, and where that is not there, or does not search by attributes, `/api`
 * (https://www.jaegertracing.io/docs/latest/apis/; the parameters are those of jaeger's `apiv3/query_parser.go`, which takes these names in every 2.x).
 */
export function jaeger(url: string): TraceSource {
  const client = new Client(url.replace(/\/$/, ''));

  const about = async (id: string): Promise<readonly RecordedSpan[]> => {
    const key = [ATTR_ORDER_ID, ATTR_TASK_ID];
    const searches = services.flatMap((service) =>
      key.map((name) => client.search({ service, tags: { [name]: id }, limit: maxTracesOfOrder })),
    );
    const found = once((await Promise.all(searches)).flat());
    const named = new Set(
      found.filter((span) => orderOf(span) === id || taskOf(span) === id).map((span) => span.traceId),
    );
    return found.filter(({ traceId }) => named.has(traceId));
  };
  const placed = () => client.search({ service: services[0], operation: placingOperation, limit: maxRecent });

  return {
    where: url,
    about,
    traces: async (traceIds) => (await Promise.all(traceIds.map((id) => client.trace(id)))).flat(),
    async idsEndingWith(suffix) {
      const ids = (await placed()).flatMap((span) => [orderOf(span), taskOf(span)]);
      return [...new Set(ids.filter((id) => id.endsWith(suffix)))];
    },
    async *recent() {
      const spans = await placed();
      yield spans;
      const seen = new Set(spans.map(({ traceId }) => traceId));
      // The desk's, which are the ends of many of them.
      const desk = once(
        (await client.search({ service: 'staff', limit: maxRecent })).filter((span) => !seen.has(span.traceId)),
      );
      yield desk;
    },
    async *failed() {
      const searches = services.map((service) => client.searchFailed(service, maxFailed));
      yield once((await Promise.all([placed(), ...searches])).flat());
    },
    pageOf: (traceId) => `${url.replace(/\/$/, '')}/trace/${traceId}`,
  };
}

/** Searches overlap, and a span may have been exported twice. */
function once(spans: readonly RecordedSpan[]): RecordedSpan[] {
  return [...new Map(spans.map((span) => [`${span.traceId} ${span.spanId}`, span])).values()];
}

type Answer = { readonly status: number; readonly json: unknown };

class Client {
  readonly #url: string;
  /** Undefined until an answer tells. */
  #speaksV3: boolean | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  async trace(traceId: string): Promise<RecordedSpan[]> {
    const found = await this.#v3(`/api/v3/traces/${traceId}`);
    return found ?? this.#older(`/api/traces/${traceId}`);
  }

  async search({ service, tags = {}, operation = '', limit }: Search): Promise<RecordedSpan[]> {
    const { from, to } = searched();
    const wanted = Object.entries(tags);
    const v3 = new URLSearchParams({
      'query.service_name': service,
      ...(operation && { 'query.operation_name': operation }),
      'query.start_time_min': from.toISOString(),
      'query.start_time_max': to.toISOString(),
      'query.search_depth': String(limit),
      'query.num_traces': String(limit),
      ...(wanted.length > 0 && { 'query.attributes': JSON.stringify(tags) }),
    });
    const found = await this.#v3(`/api/v3/traces?${v3}`);
    // One that does not know the parameter answers with whatever is newest.
    const isSearched =
      found && [...Map.groupBy(found, ({ traceId }) => traceId).values()].every((trace) => matches(trace, wanted));
    if (found && isSearched) return found;
    return this.#searchOlder({ service, tags, operation, limit });
  }

  /** Traces in which a span of `service` has failed: by the tag that Jaeger's own model has for it, which `/api/v3` has no parameter for. */
  searchFailed(service: string, limit: number): Promise<RecordedSpan[]> {
    return this.#searchOlder({ service, tags: { error: 'true' }, limit });
  }

  #searchOlder({ service, tags = {}, operation = '', limit }: Search): Promise<RecordedSpan[]> {
    const { from, to } = searched();
    const older = new URLSearchParams({
      service,
      ...(operation && { operation }),
      start: String(from.getTime() * 1_000),
      end: String(to.getTime() * 1_000),
      limit: String(limit),
      ...(Object.keys(tags).length > 0 && { tags: JSON.stringify(tags) }),
    });
    return this.#older(`/api/traces?${older}`);
  }

  /** Undefined where this Jaeger has no such API: its page answers instead, or nobody. */
  async #v3(path: string): Promise<RecordedSpan[] | undefined> {
    if (this.#speaksV3 === false) return undefined;
    const { status, json } = await this.#get(path);
    // An answer, an error in the form of the API, or neither.
    const { result, error } = (json ?? {}) as { result?: OtlpTraces; error?: { message?: string } };
    this.#speaksV3 = result !== undefined || error !== undefined;
    if (!this.#speaksV3) return undefined;
    if (result) return recordedSpans(result);
    if (status === 404) return [];
    throw this.#refused(status, error?.message ?? '');
  }

  async #older(path: string): Promise<RecordedSpan[]> {
    const { status, json } = await this.#get(path);
    const { data, errors } = (json ?? {}) as { data?: JaegerTrace[] | null; errors?: Array<{ msg?: string }> | null };
    if (status === 404 && errors) return [];
    if (status !== 200 || (data === undefined && errors === undefined))
      throw this.#refused(status, errors?.[0]?.msg ?? 'its answer is none of the query API');
    return recordedSpans(otlpOf(data ?? []));
  }

  async #get(path: string): Promise<Answer> {
    let text: string;
    let response: Response;
    try {
      response = await fetch(`${this.#url}${path}`, { signal: AbortSignal.timeout(answerTimeoutMs) });
      text = await bounded(response);
    } catch (error) {
      const remedy = 'start it, or correct JAEGER_URL, or unset it to read the local file';
      throw new MallError(
        'UNAVAILABLE',
        `Jaeger does not answer at ${this.#url} (${rootMessage(error)}); ${remedy}`,
        { reason: 'JAEGER_UNAVAILABLE', field: 'JAEGER_URL', value: this.#url, remedy },
        { cause: error },
      );
    }
    try {
      return { status: response.status, json: JSON.parse(text) };
    } catch {
      return { status: response.status, json: undefined };
    }
  }

  #refused(status: number, message: string): MallError {
    const remedy = 'check that JAEGER_URL leads to the query port of a Jaeger, for example http://127.0.0.1:16686';
    return new MallError(
      'UNAVAILABLE',
      `Jaeger at ${this.#url} answers with status ${status}${message ? ` (${message})` : ''}; ${remedy}`,
      {
        reason: 'JAEGER_REFUSED',
        field: 'JAEGER_URL',
        value: this.#url,
        remedy,
      },
    );
  }
}

/** A clock that is ahead of this one's is no reason not to find what it says. */
const searched = () => ({ from: new Date(Date.now() - lookbackMs), to: new Date(Date.now() + 60_000) });

const matches = (trace: readonly RecordedSpan[], wanted: ReadonlyArray<readonly [string, string]>): boolean =>
  wanted.every(([key, value]) => trace.some(({ attributes }) => String(attributes[key] ?? '') === value));

async function bounded(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > maxAnswerBytes) throw new Error(`the answer has more than ${maxAnswerBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { metricsOf, type ReceivedMetric, type ReceivedSpan, spansOf } from './otlp-decode.ts';
import { jsonMetricsOf, jsonSpansOf } from './otlp-json-decode.ts';

export interface OtlpReceiver extends AsyncDisposable {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to. */
  readonly endpoint: string;
  readonly requests: ReadonlyArray<{ readonly path: string | undefined; readonly contentType: string | undefined }>;
  spans(): ReceivedSpan[];
  /** As of the newest export of each service. */
  metrics(): ReceivedMetric[];
  /** The next request is answered with this HTTP status, and its content is not taken. */
  refuseNext(status: number): void;
}

/** A collector's OTLP/HTTP receiver for traces and metrics, in protobuf and JSON: it keeps what it is sent. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const requests: Array<{ path: string | undefined; contentType: string | undefined }> = [];
  const spans: ReceivedSpan[] = [];
  const metrics = new Map<string, ReceivedMetric[]>();
  const refusals: number[] = [];
  const server = createServer(async (request, response) => {
    requests.push({ path: request.url, contentType: request.headers['content-type'] });
    const refusal = refusals.shift();
    const body = await bodyOf(request);
    const isJson = request.headers['content-type'] === 'application/json';
    if (refusal === undefined && request.url === '/v1/traces')
      spans.push(...(isJson ? jsonSpansOf(body) : spansOf(body)));
    if (refusal === undefined && request.url === '/v1/metrics')
      for (const [service, newest] of Map.groupBy((isJson ? jsonMetricsOf : metricsOf)(body), ({ service }) => service))
        metrics.set(service, newest);
    // An empty response is full success, and no bytes.
    response.writeHead(refusal ?? 200, { 'content-type': 'application/x-protobuf' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    spans: () => spans,
    metrics: () => [...metrics.values()].flat(),
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

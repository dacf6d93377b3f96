import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_RPC_STATUS_CODE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from '@opentelemetry/semantic-conventions/incubating';
import { ATTR_REASON, calling, orderAttributes } from '../telemetry/attributes.ts';
import { putInto } from '../telemetry/propagation.ts';
import type { Telemetry } from '../telemetry/setup.ts';
import type { Api, CallOptions, Definition, StreamMethod, UnaryMethod } from './api.ts';
import { fromStatus } from './errors.ts';

/** How long a call may take when the caller does not say: what a person at a kiosk or a desk will wait for. */
export const defaultDeadlineMs = 5_000;

/** Longest wait between two tries to reach a server that went away (the library's default of 120 s is too long after a restart). */
const maxReconnectBackoffMs = 1_000;

/**
 * While a call is under way the server is asked by a PING after so long, and is away when it has not answered for as long again: behind a network that
 * loses everything, who looks on would wait for ever, and every other call would time out until the kernel gives up, a quarter of an hour later. The
 * library's default is never. A ping in ten seconds is far below what our servers take from a connection (`controlFramesPerSecond`).
 */
const keepaliveMs = 10_000;

export interface RpcClient<D> {
  readonly api: Api<D>;
  close(): void;
}

/** Calls the service at `address` (`host:port`). Connects at the first call and again whenever it has to. Every failure is a MallError. */
export function connectClient<D extends Definition>(
  definition: D,
  address: string,
  telemetry: Pick<Telemetry, 'tracer'>,
): RpcClient<D> {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': maxReconnectBackoffMs,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
  });
  const api = Object.fromEntries(
    Object.entries(definition).map(([name, method]) => [
      name,
      (request: unknown, options: CallOptions = {}) =>
        method.responseStream
          ? stream(client, address, method, request, options)
          : call(client, address, method, request, options, telemetry),
    ]),
  );
  return { api: api as Api<D>, close: () => client.close() };
}

async function call(
  client: Client,
  address: string,
  method: UnaryMethod,
  request: unknown,
  { deadlineMs = defaultDeadlineMs, signal }: CallOptions,
  { tracer }: Pick<Telemetry, 'tracer'>,
): Promise<unknown> {
  const colon = address.lastIndexOf(':');
  const { name, attributes } = calling(method.path);
  const span = tracer.startSpan(name, {
    kind: SpanKind.CLIENT,
    attributes: {
      ...attributes,
      [ATTR_SERVER_ADDRESS]: address.slice(0, colon),
      [ATTR_SERVER_PORT]: Number(address.slice(colon + 1)),
      ...orderAttributes(request),
    },
  });
  const metadata = new Metadata();
  putInto(metadata, span);
  try {
    const response = await new Promise<unknown>((resolve, reject) => {
      const pending = client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + deadlineMs },
        (error: ServiceError | null, response: unknown) => (error ? reject(error) : resolve(response)),
      );
      signal?.addEventListener('abort', () => pending.cancel(), { once: true });
    });
    span.setAttributes({ [ATTR_RPC_STATUS_CODE]: 'OK', ...orderAttributes(response) });
    return response;
  } catch (thrown) {
    const failure = isStatus(thrown) ? thrown : closedHere(thrown);
    const error = fromStatus(failure, address);
    const code = status[failure.code];
    span.setAttributes({
      [ATTR_RPC_STATUS_CODE]: code,
      [ATTR_ERROR_TYPE]: code,
      [ATTR_REASON]: error.detail.reason,
    });
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    throw error;
  } finally {
    span.end();
  }
}

/** No span: what somebody looks on at for hours is no step of anything. */
async function* stream(
  client: Client,
  address: string,
  { path, requestSerialize, responseDeserialize }: StreamMethod,
  request: unknown,
  { deadlineMs = Number.POSITIVE_INFINITY, signal }: CallOptions,
): AsyncGenerator<unknown> {
  if (signal?.aborted) return;
  const deadline = Date.now() + deadlineMs;
  const hangUp = () => responses?.cancel();
  let responses: ReturnType<typeof client.makeServerStreamRequest> | undefined;
  try {
    responses = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, { deadline });
    // Of a call that is cancelled the library tells once more, when nobody iterates any longer.
    responses.on('error', () => {});
    signal?.addEventListener('abort', hangUp, { once: true });
    yield* responses;
  } catch (thrown) {
    if (!signal?.aborted) throw fromStatus(isStatus(thrown) ? thrown : closedHere(thrown), address);
  } finally {
    signal?.removeEventListener('abort', hangUp);
    hangUp();
  }
}

const isStatus = (thrown: unknown): thrown is ServiceError =>
  typeof (thrown as Partial<ServiceError>).code === 'number';

/** A client that was closed throws instead of failing the call: its owner is on its way out, and the caller may try elsewhere. */
const closedHere = (thrown: unknown): ServiceError =>
  Object.assign(thrown as Error, {
    code: status.UNAVAILABLE,
    details: (thrown as Error).message,
    metadata: new Metadata(),
  });

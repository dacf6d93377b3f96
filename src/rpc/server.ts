import { type EventEmitter, once } from 'node:events';
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { ATTR_ERROR_TYPE, ATTR_RPC_METHOD, ATTR_RPC_STATUS_CODE } from '@opentelemetry/semantic-conventions/incubating';
import { HealthImplementation, service as healthService } from 'grpc-health-check';
import { type Code, MallError } from '../contract/errors.ts';
import { withDeadline } from '../kit/deadline.ts';
import { ATTR_REASON, aboutRequest, calling, orderAttributes } from '../telemetry/attributes.ts';
import { contextOf, traceparentOfMetadata } from '../telemetry/propagation.ts';
import type { Telemetry } from '../telemetry/setup.ts';
import type { Api, Definition, UnaryMethod } from './api.ts';
import { type ConnectionLimits, unaryConnectionLimits } from './connection-limits.ts';
import { toStatus } from './errors.ts';
import { Gate, type OnGateEvent } from './gate.ts';
import { forgetReadMessages } from './lean-decoder.ts';
import { cannotListen } from './listen.ts';
import { reflection, serviceOf } from './reflection.ts';

/** Time for calls under way to end once the server drains; then they are cut. Longer than a transaction's deadline would hold up a restart. */
const drainTimeoutMs = 5_000;

/** Largest request in bytes: an order of a thousand lines is a tenth of it. */
const maxRequestBytes = 1024 * 1024;

/** A peer that is silent so long is pinged, and gone when it does not answer for as long again. The library's default is never. */
const keepaliveMs = 30_000;
/** A connection without a call: clients connect again by themselves. */
const maxIdleMs = 300_000;

/** What is an error of the server's by the RPC conventions: with the others it refused what could not be done, as it should. */
const serversFault: ReadonlySet<Code> = new Set(['DEADLINE_EXCEEDED', 'INTERNAL', 'UNAVAILABLE']);

// The library prints to standard error on its own; what it has to say comes back to us as an error anyway.
setLogVerbosity(logVerbosity.NONE);
forgetReadMessages();

export interface RpcServer {
  /** `host:port` that it listens on, the real port where 0 was asked for. */
  readonly address: string;
  /** Connections that are open. */
  readonly connections: number;
  /** Ends the connection of a peer, as `getPeer` of a call names it. */
  hangUp(peer: string): void;
  /** Answers to who asks for its health that it takes nothing new; the services go on until `drain`. */
  stopServing(): void;
  drain(): Promise<void>;
}

export interface ServerSetup {
  readonly options?: ServerOptions;
  readonly limits?: ConnectionLimits;
  /** Told of every connection and stream that was refused or has ended. */
  readonly onEvent?: OnGateEvent;
}

type Options = { readonly signal: AbortSignal; readonly peer: string };

/**
 * `methods` as gRPC handlers: whatever is thrown becomes a status. Each call gets a server span under the caller's, but for streams: they last as long
 * as somebody looks on.
 */
export function implement<D extends Definition>(
  definition: D,
  methods: Api<D>,
  telemetry: Telemetry,
): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => {
      const run = methods[name as keyof D] as unknown;
      return [
        name,
        method.responseStream
          ? serveStream(method.path, run as (request: unknown, options: Options) => AsyncIterable<unknown>, telemetry)
          : serve(method, run as (request: unknown, options: Options) => Promise<unknown>, telemetry),
      ];
    }),
  );
}

function serve(
  method: UnaryMethod,
  run: (request: unknown, options: Options) => Promise<unknown>,
  { tracer, logger }: Telemetry,
): handleUnaryCall<unknown, unknown> {
  const { name, attributes } = calling(method.path);
  return (call, respond) => {
    const span = tracer.startSpan(
      name,
      { kind: SpanKind.SERVER, attributes: { ...attributes, ...orderAttributes(call.request) } },
      contextOf(traceparentOfMetadata(call.metadata)),
    );
    const signal = hangUpSignal(call);
    void context.with(trace.setSpan(context.active(), span), async () => {
      try {
        if (call.request instanceof Unreadable) throw unreadable(name, call.request);
        const response = await run(call.request, { signal, peer: call.getPeer() });
        span.setAttributes({ [ATTR_RPC_STATUS_CODE]: 'OK', ...orderAttributes(response) });
        respond(null, response);
      } catch (thrown) {
        const error = MallError.from(thrown);
        if (error.code === 'INTERNAL') {
          logger.error(
            { err: error.cause ?? error, [ATTR_RPC_METHOD]: name, ...aboutRequest(call.request) },
            'call failed',
          );
          span.recordException((error.cause as Error) ?? error);
        }
        span.setAttributes({ [ATTR_RPC_STATUS_CODE]: error.code, [ATTR_REASON]: error.detail.reason });
        if (serversFault.has(error.code)) {
          span.setAttribute(ATTR_ERROR_TYPE, error.code);
          span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
        }
        respond(toStatus(error));
      } finally {
        span.end();
      }
    });
  };
}

/** Read as fast as the caller takes what comes, and no further than to the first thing that it throws. */
function serveStream(
  path: string,
  run: (request: unknown, options: Options) => AsyncIterable<unknown>,
  { logger }: Pick<Telemetry, 'logger'>,
): handleServerStreamingCall<unknown, unknown> {
  const { name } = calling(path);
  return (call) => {
    const signal = hangUpSignal(call);
    void (async () => {
      try {
        if (call.request instanceof Unreadable) throw unreadable(name, call.request);
        for await (const response of run(call.request, { signal, peer: call.getPeer() })) {
          if (!call.write(response)) await once(call, 'drain', { signal });
          if (signal.aborted) return;
        }
        call.end();
      } catch (thrown) {
        if (signal.aborted) return;
        const error = MallError.from(thrown);
        if (error.code === 'INTERNAL')
          logger.error({ err: error.cause ?? error, [ATTR_RPC_METHOD]: name }, 'call failed');
        call.emit('error', toStatus(error));
      }
    })();
  };
}

/** Stands for bytes that are no request. A deserialiser that throws would make the library answer INTERNAL, as if it were our fault. */
class Unreadable {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

function unreadable(method: string, { reason }: Unreadable): MallError {
  const remedy = 'send the message that the service definition names, with 64-bit numbers up to 2^53 - 1';
  return new MallError('INVALID_ARGUMENT', `the request of ${method} cannot be read (${reason}); ${remedy}`, {
    reason: 'UNREADABLE',
    field: 'request',
    remedy,
  });
}

const readable = (definition: ServiceDefinition): ServiceDefinition =>
  Object.fromEntries(
    Object.entries(definition).map(([name, method]) => [
      name,
      method.requestStream ? method : { ...method, requestDeserialize: orUnreadable(method.requestDeserialize) },
    ]),
  );

const orUnreadable =
  (deserialize: (bytes: Buffer) => unknown) =>
  (bytes: Buffer): unknown => {
    try {
      return deserialize(bytes);
    } catch (error) {
      return new Unreadable((error as Error).message);
    }
  };

function hangUpSignal(call: EventEmitter): AbortSignal {
  const hangUp = new AbortController();
  call.on('cancelled', () => hangUp.abort());
  return hangUp.signal;
}

/**
 * Listens on `listen` (`host:port`) with the services given, `grpc.health.v1.Health` and reflection.
 * @throws MallError FAILED_PRECONDITION when it cannot listen there, with the reason
 */
export async function startServer(
  listen: string,
  services: ReadonlyArray<{ definition: ServiceDefinition; implementation: UntypedServiceImplementation }>,
  { options = {}, limits = unaryConnectionLimits, onEvent = () => {} }: ServerSetup = {},
): Promise<RpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': maxRequestBytes,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
    'grpc.max_connection_idle_ms': maxIdleMs,
    'grpc.max_concurrent_streams': limits.maxStreamsPerConnection,
    // Books about each connection and message, for a service that is not served here: our own metrics say it.
    'grpc.enable_channelz': 0,
    ...options,
  });
  const reflected = reflection([...services.map(({ definition }) => definition), healthService]);
  for (const { definition, implementation } of [...services, ...reflected.services])
    server.addService(readable(definition), implementation);
  // '' is the server as a whole.
  const served = ['', ...services.map(({ definition }) => serviceOf(definition))];
  const health = new HealthImplementation(Object.fromEntries(served.map((name) => [name, 'SERVING' as const])));
  health.addToServer(server);
  const gate = new Gate(server.createConnectionInjector(ServerCredentials.createInsecure()), limits, onEvent);
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon);
  const port = await gate.listen(host, Number(listen.slice(colon + 1))).catch((error: Error) => {
    throw cannotListen(listen, error);
  });
  const stopServing = () => {
    for (const name of served) health.setStatus(name, 'NOT_SERVING');
  };
  return {
    address: `${host}:${port}`,
    stopServing,
    get connections() {
      return gate.connections;
    },
    hangUp: (peer) => gate.hangUp(peer),
    async drain() {
      stopServing();
      gate.close();
      const shutdown = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      reflected.end();
      await withDeadline('drain', drainTimeoutMs, shutdown).catch(() => server.forceShutdown());
    },
  };
}

import type { AddressInfo } from 'node:net';
import swagger from '@fastify/swagger';
import { type FastifyInstance, fastify } from 'fastify';
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
  serializerCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { withDeadline } from '../../kit/deadline.ts';
import { cannotListen } from '../../rpc/listen.ts';
import type { Telemetry } from '../../telemetry/setup.ts';
import { bodyLimitBytes, errorHandler, sendNoRoute, sendParserRefusal } from './errors.ts';
import { catalogueRoutes } from './routes/catalogue.ts';
import { eventRoutes } from './routes/events.ts';
import { orderRoutes } from './routes/orders.ts';
import type { App, Parts } from './routes/parts.ts';
import { serviceRoutes } from './routes/service.ts';
import { registry } from './schemas.ts';
import { traceRequests } from './tracing.ts';
import { validatorCompiler } from './validation.ts';

/** Sockets at once: event streams and the requests of some hundred kiosks beside them. */
const maxConnections = 1_000;
/** Time for a request to arrive in full, ms: what a slow sender may hold a socket for. */
const requestTimeoutMs = 10_000;
const keepAliveTimeoutMs = 30_000;
/** Time for requests under way to end once the kiosk drains; then their sockets are cut. Longer than a call's deadline would hold up a restart. */
const drainTimeoutMs = 5_000;

/** The REST API with everything but a port. `orderTraceparent` as in `traceRequests`. */
export async function createApp(
  parts: Parts,
  { tracer, logger }: Telemetry,
  orderTraceparent: (orderId: string) => Promise<string | undefined>,
): Promise<App> {
  const onError = errorHandler(logger);
  const app = fastify({
    bodyLimit: bodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    frameworkErrors: onError,
    clientErrorHandler: sendParserRefusal,
  }).withTypeProvider<ZodTypeProvider>();
  app.server.maxConnections = maxConnections;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(onError);
  app.setNotFoundHandler(sendNoRoute);
  traceRequests(app as unknown as FastifyInstance, tracer, orderTraceparent);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'MallBots kiosk', version: '1.0.0', description: 'Order, pay and follow an order.' },
    },
    transform: createJsonSchemaTransform({ schemaRegistry: registry }),
    transformObject: createJsonSchemaTransformObject({ schemaRegistry: registry }),
  });
  for (const routes of [catalogueRoutes, orderRoutes, eventRoutes, serviceRoutes]) routes(app, parts);
  return app;
}

/**
 * Listens on `listen` (`host:port`).
 * @returns `host:port` with the real port where 0 was asked for
 * @throws MallError FAILED_PRECONDITION when it cannot listen there, with the reason
 */
export async function listenOn(app: App, listen: string): Promise<string> {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon);
  try {
    await app.listen({ host, port: Number(listen.slice(colon + 1)) });
  } catch (cause) {
    throw cannotListen(listen, cause as Error);
  }
  return `${host}:${(app.server.address() as AddressInfo).port}`;
}

/** Takes no new connections and lets requests under way end, for a bounded time. */
export async function drainApp(app: App): Promise<void> {
  await withDeadline('drain', drainTimeoutMs, app.close()).catch(() => app.server.closeAllConnections());
}

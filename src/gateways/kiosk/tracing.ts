import { context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions/incubating';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MallError } from '../../contract/errors.ts';
import { ATTR_ORDER_TRACE_UNKNOWN, ATTR_REASON, orderAttributes } from '../../telemetry/attributes.ts';
import { linkBothWays } from '../../telemetry/linked-trace.ts';
import { contextOf, parseTraceparent, traceparentOfHeaders } from '../../telemetry/propagation.ts';

declare module 'fastify' {
  interface FastifyRequest {
    receivedAt: Date;
    span: Span | undefined;
  }
  interface FastifyContextConfig {
    /** Continues the trace of the order in the path when the caller brings none of its own; other routes about an order are linked to it. */
    inOrdersTrace?: boolean;
    /** For what is asked every few seconds and tells nobody anything. */
    untraced?: boolean;
  }
}

/**
 * One server span per request that reaches a route, by the HTTP conventions, active while the handler runs. Its parent is the caller's
 * `traceparent`, if that is valid; else what `orderTraceparent` says about routes that continue an order's trace; else none. A look at an
 * order is a trace of its own, linked to the order's; so is what a caller does in a trace of its own, and then the order's leads to it as well.
 */
export function traceRequests(
  app: FastifyInstance,
  tracer: Tracer,
  orderTraceparent: (orderId: string) => Promise<string | undefined>,
): void {
  app.decorateRequest('span', undefined);
  app.decorateRequest('receivedAt');
  app.addHook('onRequest', async (request) => {
    request.receivedAt = new Date();
  });
  app.addHook('onRoute', (route) => {
    const { handler } = route;
    if (route.config?.untraced) return;
    route.handler = async function traced(request, reply) {
      const span = await startSpan(tracer, request, reply, orderTraceparent);
      return context.with(trace.setSpan(context.active(), span), () => handler.call(this, request, reply));
    };
  });
  // What is refused before its handler runs is a request as well.
  app.addHook('onError', async (request, reply, error) => {
    const span = request.span ?? (await startSpan(tracer, request, reply, undefined));
    span.setAttribute(ATTR_REASON, error instanceof MallError ? error.detail.reason : (error.code ?? error.name));
  });
}

/** `error.type` of a request whose caller left before there was an answer. */
const hungUp = 'hung_up';

async function startSpan(
  tracer: Tracer,
  request: FastifyRequest,
  reply: FastifyReply,
  orderTraceparent: ((orderId: string) => Promise<string | undefined>) | undefined,
): Promise<Span> {
  const route = request.routeOptions.url ?? '';
  const params = (request.params ?? {}) as { orderId?: string };
  const { inOrdersTrace } = request.routeOptions.config;
  const callers = traceparentOfHeaders(request.headers);
  const parented = parseTraceparent(callers) !== undefined;
  const orders = params.orderId === undefined ? undefined : await orderTraceparent?.(params.orderId);
  const orderSpan = inOrdersTrace ? undefined : parseTraceparent(orders);
  // A caller that passes the order's trace context on is in that trace already.
  const isElsewhere = orderSpan?.traceId !== parseTraceparent(callers)?.traceId;
  const span = tracer.startSpan(
    `${request.method} ${route}`.trimEnd(),
    {
      kind: SpanKind.SERVER,
      startTime: request.receivedAt,
      links: orderSpan && isElsewhere ? [{ context: orderSpan }] : [],
      attributes: {
        [ATTR_HTTP_REQUEST_METHOD]: request.method,
        ...(route && { [ATTR_HTTP_ROUTE]: route }),
        [ATTR_URL_PATH]: request.url.split('?', 1)[0],
        [ATTR_URL_SCHEME]: request.protocol,
        [ATTR_SERVER_ADDRESS]: request.hostname,
        ...(request.port && { [ATTR_SERVER_PORT]: request.port }),
        ...orderAttributes(params),
        ...(params.orderId !== undefined && !orders && { [ATTR_ORDER_TRACE_UNKNOWN]: true }),
      },
    },
    contextOf(parented || !inOrdersTrace ? callers : orders),
  );
  request.span = span;
  if (inOrdersTrace && orders && parented) linkBothWays(tracer, span, orders, orderAttributes(params));
  // After the last byte as well as when the caller hangs up, which a stream of events ends with.
  reply.raw.once('close', () => {
    const { headersSent, statusCode } = reply.raw;
    if (headersSent) span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, statusCode);
    // What is refused with 4xx is the caller's error, not this server's.
    if (!headersSent || statusCode >= 500) {
      span.setAttribute(ATTR_ERROR_TYPE, headersSent ? String(statusCode) : hungUp);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  });
  return span;
}

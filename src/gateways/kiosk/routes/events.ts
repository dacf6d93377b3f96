import { z } from 'zod';
import { closingEvents } from '../../../contract/events.ts';
import { orderParams, streamHeaders } from '../schemas.ts';
import { timelineAfter, timelineState } from '../store.ts';
import { type App, type Parts, problems } from './parts.ts';

export function eventRoutes(app: App, { database, orders, events }: Parts): void {
  app.get(
    '/v1/orders/:orderId/events',
    {
      exposeHeadRoute: false,
      schema: {
        summary: "The order's events as they happen, from the first to the last (server-sent events)",
        params: orderParams,
        headers: streamHeaders,
        response: {
          200: {
            description:
              "event: the event's name; id: for Last-Event-ID; data: JSON with `at`, `orderId` and the event's fields",
            content: { 'text/event-stream': { schema: z.string() } },
          },
          204: z.undefined().describe('Nothing more will happen: a browser stops asking.'),
          ...problems,
        },
      },
    },
    async ({ headers, params: { orderId } }, reply) => {
      const after = Number(headers['last-event-id'] ?? 0);
      const { known, closed } = await database.query((orm) => timelineState(orm, orderId, after, closingEvents));
      // Placed a moment ago, perhaps; throws NOT_FOUND otherwise.
      if (!known) await orders.getOrder({ orderId, withPickupCode: false });
      if (closed && (await database.query((orm) => timelineAfter(orm, orderId, after, 1))).length === 0) {
        return reply.code(204).send();
      }
      events.requireRoom();
      reply.hijack();
      events.follow(orderId, { after, closed }, reply.raw);
      return reply;
    },
  );
}

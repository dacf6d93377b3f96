import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import type { Database } from '../../../database/port.ts';
import type { OrdersService } from '../../../gen/orders/v1/orders.ts';
import type { PaymentsService } from '../../../gen/payments/v1/payments.ts';
import type { Api } from '../../../rpc/api.ts';
import type { OrderEvents } from '../order-events.ts';
import { problemMediaType } from '../problem.ts';
import { problem } from '../schemas.ts';

/** What the routes work with. */
export interface Parts {
  readonly database: Database;
  readonly orders: Api<OrdersService>;
  readonly payments: Api<PaymentsService>;
  readonly events: OrderEvents;
  readonly logger: Logger;
}

/** The server, with request and answer types taken from the zod schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression<RawServerDefault>,
  RawReplyDefaultExpression<RawServerDefault>,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** The answers of every route that are not what was asked for. */
export const problems = {
  '4xx': { description: 'The request is at fault', content: { [problemMediaType]: { schema: problem } } },
  '5xx': { description: 'The mall is at fault', content: { [problemMediaType]: { schema: problem } } },
} as const;

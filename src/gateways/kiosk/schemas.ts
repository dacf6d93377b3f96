import { z } from 'zod';
import { maxCancelReasonChars, maxOrderLines, maxQuantity, maxShopperChars } from '../../contract/order-limits.ts';
import { maxIdempotencyKeyChars } from '../../contract/text.ts';

/** Named schemas become components of the OpenAPI document. */
export const registry = z.registry<{ id: string }>();

const named = <S extends z.ZodType>(id: string, schema: S): S => {
  registry.add(schema, { id });
  return schema;
};

const id = z.uuid('give a UUID such as 0199c1f0-7c1e-7d0a-8a52-0d6f6f1c2b11');
const currency = z
  .string('give an ISO 4217 currency code such as EUR')
  .regex(/^[A-Z]{3}$/, 'give an ISO 4217 currency code such as EUR');
const whole = (min: number, max: number) => {
  const remedy = `give a whole number from ${min} to ${max}`;
  return z.int(remedy).min(min, remedy).max(max, remedy);
};
const text = (maxChars: number) => {
  const remedy = `give a text of 1 to ${maxChars} characters`;
  // What is no Unicode would reach the services as something else.
  const whole = (value: string) => value.isWellFormed();
  return z.string(remedy).min(1, remedy).max(maxChars, remedy).refine(whole, 'leave out surrogates that stand alone');
};
const headerText = (maxChars: number) => {
  const remedy = `give 1 to ${maxChars} ASCII characters`;
  return z
    .string(remedy)
    .min(1, remedy)
    .max(maxChars, remedy)
    .regex(/^[\x20-\x7e]*$/, remedy);
};

// Requests

export const orderParams = z.object({ orderId: id });
export const productsQuery = z.strictObject({ storeId: id.optional() });
export const commandHeaders = z.looseObject({
  'idempotency-key': headerText(maxIdempotencyKeyChars).describe(
    'One command per key, for ever: repeat it after an error.',
  ),
});
export const streamHeaders = z.looseObject({
  'last-event-id': z
    .string()
    .regex(/^\d{1,15}$/, 'give the id of an event of this stream')
    .optional()
    .describe('Go on after this event; from the beginning without it.'),
});
export const placeOrderBody = z.strictObject(
  {
    shopper: text(maxShopperChars),
    currency: currency.describe('What the prices must be in.'),
    lines: z
      .array(
        z.strictObject({ productId: id, quantity: whole(1, maxQuantity) }, 'give {"productId", "quantity"}'),
        'give a list of {"productId", "quantity"}',
      )
      .min(1, 'give at least one line')
      .max(maxOrderLines, `give at most ${maxOrderLines} lines`),
  },
  'give a JSON object with shopper, currency and lines',
);
export const payBody = z.strictObject(
  {
    amount: z.strictObject(
      { minor: whole(0, Number.MAX_SAFE_INTEGER).describe('Cents, or what the currency has.'), currency },
      'give {"minor", "currency"}',
    ),
  },
  'give a JSON object with amount',
);
export const cancelBody = z
  .strictObject({ reason: text(maxCancelReasonChars).optional() }, 'give a JSON object with reason, or no body')
  .nullish();

// Answers

const money = named('Money', z.object({ minor: z.int().describe('Minor units: cents.'), currency: z.string() }));
const time = z.iso.datetime();

export const store = named('Store', z.object({ storeId: z.string(), name: z.string(), participating: z.boolean() }));
export const product = named(
  'Product',
  z.object({
    productId: z.string(),
    storeId: z.string(),
    sku: z.string(),
    name: z.string(),
    price: money,
    stock: z.int().describe('What the books said last; a bot may find fewer.'),
  }),
);
export const invoice = named(
  'Invoice',
  z.object({
    orderId: z.string(),
    state: z.enum(['open', 'paid', 'cancelled', 'unspecified']),
    total: money.describe('What the goods cost, shortages taken off.'),
    paid: money,
    refunded: money,
    due: money,
    refunds: z.array(z.object({ amount: money, reason: z.string() })).describe('The parts of refunded, oldest first.'),
    issuedAt: time.nullable(),
  }),
);
export const order = named(
  'Order',
  z.object({
    orderId: z.string(),
    shopper: z.string(),
    state: z.enum([
      'placed',
      'ready',
      'collectable',
      'completed',
      'cancelling',
      'cancelled',
      'rejected',
      'unspecified',
    ]),
    paid: z.boolean(),
    bay: z.string().nullable(),
    lines: z.array(
      z.object({
        lineId: z.string(),
        productId: z.string(),
        sku: z.string(),
        name: z.string(),
        storeId: z.string(),
        quantity: z.int(),
        unitPrice: money,
        picked: z.int(),
        short: z.int(),
      }),
    ),
    total: money.describe('Of what was ordered, before shortages.'),
    placedAt: time.nullable(),
    readyAt: time.nullable(),
    closedAt: time.nullable(),
    reason: z.string().nullable().describe('Why it is cancelled or was rejected.'),
    traceparent: z.string().nullable().describe('W3C trace context of the request that placed it.'),
    pickupCode: z
      .string()
      .nullable()
      .describe(
        'What the shopper shows at the desk, such as K7P4-Q9T; null when nothing waits for them any more, or pickupLocked.',
      ),
    pickupLocked: z
      .boolean()
      .describe('Too many wrong codes were tried: the desk asks the shopper who they are instead.'),
    cancellation: z
      .object({
        requestedBy: z.enum(['shopper', 'staff', 'unspecified']),
        requestedAt: time.nullable(),
        refunded: z.boolean().describe('Nothing is owed, and what was paid has gone back.'),
        goods: z
          .enum(['recalled', 'returning', 'settled', 'overdue', 'unspecified'])
          .describe('Whether bots still have to bring something back.'),
      })
      .nullable()
      .describe('Of an order that somebody wanted to be cancelled.'),
    invoice: invoice.nullable().describe('Null until it is issued, and while Payments cannot be asked.'),
  }),
);
export const problem = named(
  'Problem',
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    field: z
      .string()
      .describe('What is at fault: a path such as lines[0].quantity, or a header; empty when nothing is.'),
    value: z.string(),
    reason: z.string().describe('Stable, for programs.'),
    remedy: z.string().describe('What to do instead.'),
  }),
);
export const health = z.object({ status: z.literal('ok') });

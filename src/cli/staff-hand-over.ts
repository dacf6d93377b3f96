import { Command } from 'commander';
import { refused } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { formatMoney } from '../contract/money.ts';
import { isPickupCode, requirePickupCode } from '../contract/pickup-code.ts';
import { OrderState } from '../gen/orders/v1/orders.ts';
import { InvoiceState } from '../gen/payments/v1/payments.ts';
import type { HandOverRequest, OrderSheet } from '../gen/staff/v1/staff.ts';
import { atDesk, type StaffApi } from './at-desk.ts';
import { askFor, canAsk, confirm } from './confirm.ts';
import { formatAge, writeJson, writeLine } from './output.ts';
import { orderIdOf } from './staff-order-id.ts';
import { writeReceipt } from './staff-tables.ts';

interface Options {
  readonly code?: string;
  readonly withoutCode?: string;
  readonly yes?: boolean;
}

type Proof = Pick<HandOverRequest, 'pickupCode' | 'identityReason'>;

export const handOverCommand = (orderArgument: string, view: (sheet: OrderSheet) => object): Command =>
  new Command('hand-over')
    .description('the shopper has the goods: completes an order, after taking what is due')
    .argument('<code|order>', `the code that the shopper shows, or ${orderArgument}`)
    .option('--code <code>', 'what the shopper shows, where the order was given')
    .option('--without-code <seen>', 'the shopper has none, or it is locked: what you have seen of their identity')
    .option('-y, --yes', 'take what is due without asking')
    .action((given: string, options: Options, command: Command) =>
      atDesk(command, async (api, json) => {
        const { sheet: before, proof } = await proven(given, options, api);
        const { orderId = '', shopper, state, closedAt } = before.order ?? {};
        await takeDue(before, options.yes ?? false, api);
        const sheet = await api.handOver({ orderId, ...proof });
        // Repeating the command after an error is fine; that the goods left before must not look like now.
        const earlier = state === OrderState.COMPLETED && closedAt;
        const when = earlier ? ` ${formatAge(earlier, new Date())} ago; nothing was done now` : '';
        if (json) writeJson(view(sheet));
        else {
          writeLine(`handed over to ${shopper}${when}`);
          writeReceipt(sheet);
        }
      }),
    );

/** Hyphens of an id stand before its last twelve characters. */
const mayEndId = /^(?:[0-9a-f-]*-)?[0-9a-f]{12}$|^[0-9a-f]{0,11}$/i;

/** The order, and why whoever takes its goods is its shopper; a code is tried before any money is taken. */
async function proven(given: string, options: Options, api: StaffApi): Promise<{ sheet: OrderSheet; proof: Proof }> {
  const { code, withoutCode: identityReason, yes } = options;
  const isOrder = code !== undefined || identityReason !== undefined || mayEndId.test(given);
  if (isPickupCode(given) || !isOrder) {
    // What is none, and was meant for one, is told why.
    requirePickupCode(given);
    const sheet = await api.findPickup({ pickupCode: given, orderId: '' });
    return { sheet, proof: { pickupCode: given, identityReason: '' } };
  }
  const orderId = await orderIdOf(given, api);
  if (identityReason !== undefined) {
    const sheet = await api.showOrder({ orderId });
    await confirm(`hand over to ${sheet.order?.shopper} without a code (${identityReason})?`, yes);
    return { sheet, proof: { pickupCode: '', identityReason } };
  }
  const pickupCode = code ?? (await askForCode(orderId));
  return { sheet: await api.findPickup({ pickupCode, orderId }), proof: { pickupCode, identityReason: '' } };
}

async function askForCode(orderId: string): Promise<string> {
  if (canAsk()) return askFor('code that the shopper shows');
  const message = `order ${orderId} is handed over to who shows its code`;
  const remedy = 'give the code instead of the order, or --code with it, or --without-code and what you have seen';
  throw refused('--code', '', 'PICKUP_CODE_MISSING', message, remedy);
}

/** Where nobody can be asked and nobody has said yes, the order is refused for what is due. */
async function takeDue({ order, invoice }: OrderSheet, yes: boolean, api: StaffApi): Promise<void> {
  if (order?.state !== OrderState.READY || invoice?.state !== InvoiceState.OPEN || !invoice.due) return;
  if (!yes && !canAsk()) return;
  await confirm(`take ${formatMoney(invoice.due)} of ${order.shopper}?`, yes);
  await api.payOrder({ orderId: order.orderId, idempotencyKey: newId() });
}

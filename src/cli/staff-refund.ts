import { Command } from 'commander';
import { MallError, refused } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { formatMoney, parseMoney } from '../contract/money.ts';
import type { Invoice } from '../gen/payments/v1/payments.ts';
import type { OrderSheet } from '../gen/staff/v1/staff.ts';
import { atDesk, type StaffApi } from './at-desk.ts';
import { confirm } from './confirm.ts';
import { orderIdOf } from './staff-order-id.ts';

interface Options {
  readonly amount?: string;
  readonly reason: string;
  readonly key?: string;
  readonly yes?: boolean;
}

/** `show` writes the order afterwards, below a line that says what was done. */
export const refundCommand = (
  orderArgument: string,
  show: (sheet: OrderSheet, json: boolean, done: string) => void,
): Command =>
  new Command('refund')
    .description('give back what was paid, or part of it, also after the hand-over')
    .argument('<order>', orderArgument)
    .option('--amount <sum>', 'how much, such as 5.60 (default: all that was paid and not given back)')
    .requiredOption('--reason <text>', 'why, for the shopper and the books')
    .option('--key <text>', 'idempotency key: with the same key the money goes back once (default: a new one)')
    .option('-y, --yes', 'do not ask')
    .action((given: string, { amount, reason, key, yes }: Options, command: Command) =>
      atDesk(command, async (api, json) => {
        const orderId = await orderIdOf(given, api);
        const { order, invoice } = await api.showOrder({ orderId });
        if (!invoice) throw noInvoice(orderId);
        const { currency } = invoice.total!;
        const wanted = amount === undefined ? undefined : parseMoney('--amount', amount, currency);
        const sum = wanted ?? kept(invoice);
        await confirm(`give ${formatMoney(sum)} back to ${order?.shopper} (${reason})?`, yes);
        const idempotencyKey = key ?? newId();
        const sheet = await repeatable(api, { orderId, idempotencyKey, amount: wanted, reason });
        show(sheet, json, `${formatMoney(sum)} given back to ${sheet.order?.shopper}`);
      }),
    );

const kept = ({ paid, refunded }: Invoice) => ({ ...paid!, minor: paid!.minor - refunded!.minor });

const noInvoice = (orderId: string) =>
  refused('order', orderId, 'NO_INVOICE', `nothing is known of the money of order ${orderId}`, 'try again in a moment');

/** Whoever repeats a refund that had no answer is to repeat its key too, or the money may go back twice. */
async function repeatable(api: StaffApi, request: Parameters<StaffApi['refundOrder']>[0]): Promise<OrderSheet> {
  try {
    return await api.refundOrder(request);
  } catch (thrown) {
    const { code, message, detail } = MallError.from(thrown);
    if (code !== 'UNAVAILABLE' && code !== 'DEADLINE_EXCEEDED') throw thrown;
    const remedy = `it may have been done: repeat it with --key ${request.idempotencyKey}`;
    throw new MallError(
      code,
      `${message}; ${remedy}`,
      { ...detail, reason: 'REFUND_UNCERTAIN', remedy },
      { cause: thrown },
    );
  }
}

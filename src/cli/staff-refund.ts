import { Command } from 'commander';
import { invalid, MallError, refused } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { formatMoney, parseMoney } from '../contract/money.ts';
import type { Money } from '../gen/common/v1/common.ts';
import type { Invoice } from '../gen/payments/v1/payments.ts';
import type { OrderSheet } from '../gen/staff/v1/staff.ts';
import { atDesk } from './at-desk.ts';
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
        const refund = () => api.refundOrder({ orderId, idempotencyKey, amount: wanted, reason });
        const sheet = await refund().catch((thrown: unknown) => {
          throw forStaff(MallError.from(thrown), { typed: amount, kept: kept(invoice), idempotencyKey });
        });
        show(sheet, json, `${formatMoney(sum)} given back to ${sheet.order?.shopper}`);
      }),
    );

const kept = ({ paid, refunded }: Invoice) => ({ ...paid!, minor: paid!.minor - refunded!.minor });

const noInvoice = (orderId: string) =>
  refused('order', orderId, 'NO_INVOICE', `nothing is known of the money of order ${orderId}`, 'try again in a moment');

interface Wanted {
  readonly typed: string | undefined;
  /** What was paid and not given back, before. */
  readonly kept: Money;
  readonly idempotencyKey: string;
}

/** Whoever repeats a refund that had no answer is to repeat its key too, or the money may go back twice; a sum is refused as it was typed. */
function forStaff(error: MallError, { typed, kept, idempotencyKey }: Wanted): MallError {
  const { code, message, detail } = error;
  if (typed !== undefined && detail.field === 'amount.minor') {
    const remedy = `give more than nothing and at most ${formatMoney(kept)}, which is what was paid and not given back`;
    return invalid('--amount', typed, detail.reason, remedy);
  }
  if (code !== 'UNAVAILABLE' && code !== 'DEADLINE_EXCEEDED') return error;
  const remedy = `it may have been done: repeat it with --key ${idempotencyKey}`;
  return new MallError(
    code,
    `${message}; ${remedy}`,
    { ...detail, reason: 'REFUND_UNCERTAIN', remedy },
    { cause: error },
  );
}

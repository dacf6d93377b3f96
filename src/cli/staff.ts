import { Command, InvalidArgumentError } from 'commander';
import { newId } from '../contract/ids.ts';
import { formatMoney } from '../contract/money.ts';
import { invoiceView, listView, orderView } from '../gateways/order-view.ts';
import { OrderState } from '../gen/orders/v1/orders.ts';
import type { OrderSheet, Pickup } from '../gen/staff/v1/staff.ts';
import { hostPort, whole } from './arguments.ts';
import { atDesk } from './at-desk.ts';
import { exitOnUsageError } from './exit-codes.ts';
import { writeJson, writeLine } from './output.ts';
import { askCommand } from './staff-ask.ts';
import { addExamples } from './staff-examples.ts';
import { fleetCommand, limitCommand, recallCommand, tasksCommand } from './staff-fleet.ts';
import { handOverCommand } from './staff-hand-over.ts';
import { journalCommand } from './staff-journal.ts';
import { orderIdOf } from './staff-order-id.ts';
import { parkedCommand } from './staff-parked.ts';
import { refundCommand } from './staff-refund.ts';
import { writeOrders, writePickups, writeSheet } from './staff-tables.ts';
import { timelineView, writeTimeline } from './staff-timeline.ts';
import { watchCommand } from './staff-watch.ts';

const examples = `
Without a command it is the staff role: see "mallbots hub --help" for what a
role needs.

Examples:
  $ mallbots staff pickups              what waits in which bay, and is it paid
  $ mallbots staff show 6f1c2b11        one order, by the end of its id
  $ mallbots staff pay 6f1c2b11         take what is due
  $ mallbots staff hand-over K7P4-Q9T   the code that the shopper shows: take
                                        what is due, hand over, receipt
  $ mallbots staff hand-over 6f1c2b11 --without-code 'passport of Ada Byron'
  $ mallbots staff refund 6f1c2b11 --amount 5.60 --reason 'broken cup'
  $ mallbots staff cancel 6f1c2b11      no hand-over: money, goods go back
  $ mallbots staff orders --state placed  the newest orders, in a state
  $ mallbots staff fleet                the robots
  $ mallbots staff tasks --stuck 30m    what does not get on
  $ mallbots staff ask inspect --wait   one task of a kind, to try it out
  $ mallbots staff recall 0a3f9e12      take a task back from its robot
  $ mallbots staff parked list          what a service could not handle
  $ mallbots staff watch                bays, orders and robots, live
  $ mallbots staff journal --follow     every event, as it comes
  $ mallbots staff pickups --json | jq  for programs

Exit status: 0 done, 1 failed, 2 wrong arguments, 3 not found, 4 refused,
5 unavailable, 130 interrupted before it was done.`;

const orderArgument = 'order id, or the end of it as `pickups` shows it (6 characters or more)';

/** The depot's desk on a terminal, against the staff role's gRPC API. */
export function staffCommand(): Command {
  const staff = new Command('staff')
    .description("the depot's desk: what waits, pay, hand over")
    .option('--staff <host:port>', 'where the staff role listens (default: MALLBOTS_STAFF_ADDRESS)', hostPort)
    .option('--json', 'one JSON object on standard output and nothing else')
    .helpOption('-h, --help', 'show this help')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(run with --help for the options)')
    .addHelpText('after', examples)
    .exitOverride(exitOnUsageError)
    .usage('[options] [command]')
    .argument('[command...]')
    .action(async ([unknown]: string[]) => {
      if (unknown !== undefined) staff.error(`error: unknown command '${unknown}'`);
      await (await import('./role.ts')).runRole('staff');
    });

  staff
    .command('pickups')
    .description('orders whose goods wait in a bay, longest first')
    .option('--limit <count>', 'at most so many (1 to 1000)', whole(1, 1_000), 100)
    .action(({ limit }: { limit: number }, command: Command) =>
      atDesk(command, async (api, json) => {
        const { pickups, nextPageToken } = await api.listPickups({ pageSize: limit, pageToken: '' });
        const more = nextPageToken !== '';
        if (json) writeJson({ pickups: pickups.map(pickupView), more });
        else writePickups(pickups, more, new Date());
      }),
    );

  staff
    .command('show')
    .description('one order: its lines and their fate, money, what happened to it')
    .argument('<order>', orderArgument)
    .action((given: string, _options, command: Command) =>
      atDesk(command, async (api, json) => {
        const sheet = await api.showOrder({ orderId: await orderIdOf(given, api) });
        show(sheet, json);
        if (!json) writeTimeline(sheet);
      }),
    );

  staff
    .command('pay')
    .description('take what is due')
    .argument('<order>', orderArgument)
    .action((given: string, _options, command: Command) =>
      atDesk(command, async (api, json) => {
        const orderId = await orderIdOf(given, api);
        const sheet = await api.payOrder({ orderId, idempotencyKey: newId() });
        const { paid } = sheet.invoice ?? {};
        show(sheet, json, `paid${paid ? ` ${formatMoney(paid)}` : ''}`);
      }),
    );

  staff
    .command('cancel')
    .description('nobody wants it any more: money and goods go back')
    .argument('<order>', orderArgument)
    .option('--reason <text>', 'why, for the shopper and the books')
    .action((given: string, { reason = '' }: { reason?: string }, command: Command) =>
      atDesk(command, async (api, json) => {
        const orderId = await orderIdOf(given, api);
        const sheet = await api.cancelOrder({ orderId, idempotencyKey: newId(), reason });
        const isUnderWay = sheet.order?.state === OrderState.CANCELLING;
        show(sheet, json, isUnderWay ? 'it will not be handed over; money and goods go back' : 'it is over already');
      }),
    );

  staff
    .command('orders')
    .description('the newest orders')
    .option('--state <state...>', `only in these states: ${orderStates.join(', ')}`, stateOption)
    .option('--limit <count>', 'at most so many (1 to 1000)', whole(1, 1_000), 20)
    .action(({ state = [], limit }: { state?: OrderState[]; limit: number }, command: Command) =>
      atDesk(command, async (api, json) => {
        const { orders } = await api.listOrders({ states: state, limit });
        if (json) writeJson({ orders: orders.map(orderView) });
        else writeOrders(orders, new Date());
      }),
    );

  for (const command of [
    handOverCommand(orderArgument, sheetView),
    refundCommand(orderArgument, show),
    fleetCommand(),
    limitCommand(),
    tasksCommand(),
    askCommand(),
    recallCommand(),
    parkedCommand(),
    journalCommand(),
    watchCommand(),
  ]) {
    staff.addCommand(inheriting(command, staff));
  }
  addExamples(staff, '');
  return staff;
}

/** With the settings of its parent, down to the last command. */
function inheriting(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inheriting(child, command);
  return command;
}

const orderStates = Object.keys(OrderState)
  .map((name) => name.toLowerCase())
  .filter((name) => name !== 'unspecified' && name !== 'unrecognized');

function stateOption(name: string, before: OrderState[] = []): OrderState[] {
  if (!orderStates.includes(name)) throw new InvalidArgumentError(`give one of ${orderStates.join(', ')}.`);
  return [...before, OrderState[name.toUpperCase() as keyof typeof OrderState]];
}

function show(sheet: OrderSheet, json: boolean, done?: string): void {
  if (json) {
    writeJson(sheetView(sheet));
    return;
  }
  if (done) writeLine(done);
  writeSheet(sheet);
}

const pickupView = ({ bay, waitingSince, order, invoice }: Pickup) => ({
  bay,
  waitingSince: waitingSince?.toISOString() ?? null,
  order: order ? orderView(order) : null,
  invoice: invoice ? invoiceView(invoice) : null,
});

const sheetView = ({ order, invoice, list, timeline }: OrderSheet) => ({
  order: order ? orderView(order) : null,
  invoice: invoice ? invoiceView(invoice) : null,
  list: list ? listView(list) : null,
  ...(timeline && { timeline: timelineView(timeline) }),
});

import { type MallError, refused } from '../../contract/errors.ts';
import { type Draft, draft } from '../../contract/message.ts';
import { beginCancellation, decideCancellation, isOver, mayStillPick } from './cancellation.ts';
import type { CancellationInput, LineCount, Order, OrderCommand, OrderLine, Proof } from './messages.ts';
import { isLocked, tryCode } from './pickup.ts';

/** The order afterwards, the very same object when nothing changed, and what others are told. */
export interface Decision {
  readonly order: Order;
  readonly events: readonly Draft[];
  /** What whoever asked is told once the order is written: a wrong code counts although it is refused. */
  readonly refusal?: MallError;
}

/**
 * What `command` makes of `order`. Reports that come late, twice, or for a closed order change nothing.
 * @throws MallError FAILED_PRECONDITION when it cannot be handed over, or was and is to be cancelled
 */
export function decide(order: Order, command: OrderCommand, now: Date): Decision {
  switch (command.type) {
    case 'count':
      return isCollecting(order) ? only(withLine(order, command.line.lineId, add(command.line))) : only(order);
    case 'beginAnew':
      return isCollecting(order)
        ? only(withLines(order, (line) => startedOver(noCounts(line), command.attempt)))
        : only(order);
    case 'completeList':
      return isCollecting(order) ? completeList(order, command.lines, command.bay, now) : only(order);
    case 'assignBay':
      return isUnwanted(order) || order.bay === command.bay ? only(order) : only({ ...order, bay: command.bay });
    case 'reject':
      return order.state === 'PLACED' ? close(order, 'REJECTED', command.reason, now) : only(order);
    case 'cancel':
      return order.state === 'PLACED' ? close(order, 'CANCELLED', command.reason, now) : only(order);
    case 'markPaid':
      // Whoever paid for a closed order gets it back from Payments, which heard of the closing too.
      return isClosed(order) || order.paid ? only(order) : joined({ ...order, paid: true }, []);
    case 'tryCode':
      return tryCode(order, command.code);
    case 'handOver':
      return handOver(order, command.proof, now);
    case 'requestCancellation':
      return requestCancellation(order, command, now);
    case 'moneyReturned':
    case 'listCancelled':
    case 'returnEnded':
    case 'tick':
      return goOnCancelling(order, command, now);
    case 'takeStock':
      return needsNothing(order) ? only(order) : only(withLine(order, command.lineId, take(command)));
    case 'returnStock':
      return needsNothing(order)
        ? only(order)
        : only(withLine(order, command.lineId, (line) => startedOver(line, command.attempt + 1)));
    default:
      return command satisfies never;
  }
}

const closedStates: readonly Order['state'][] = ['COMPLETED', 'CANCELLED', 'REJECTED'];
const isClosed = (order: Order): boolean => closedStates.includes(order.state);

/** Nobody is to come for it. */
export const isUnwanted = (order: Order): boolean => isClosed(order) || order.state === 'CANCELLING';

/** A bot may be about the list, though nobody may want the goods any more. */
const isCollecting = ({ state, cancellation }: Order): boolean =>
  state === 'PLACED' || (state === 'CANCELLING' && cancellation !== null && mayStillPick(cancellation));

/** No unit is picked for it any more, so none is kept from others. */
const needsNothing = (order: Order): boolean =>
  isClosed(order) || (order.state === 'CANCELLING' && !isCollecting(order));

const only = (order: Order): Decision => ({ order, events: [] });

function completeList(order: Order, lines: readonly LineCount[], bay: string, now: Date): Decision {
  const found = new Map(lines.map((line) => [line.lineId, line.picked]));
  const counted = withLines(order, (line) => {
    // What nobody reports as picked is not there: this way the counts of every finished line add up to its quantity.
    const picked = Math.min(line.quantity, found.get(line.id) ?? 0);
    return { ...line, picked, short: line.quantity - picked };
  });
  // Depot is asked already, and will say where the goods go.
  if (counted.state === 'CANCELLING') return only(counted);
  if (counted.lines.every((line) => line.picked === 0)) return close(counted, 'CANCELLED', 'nothing was found', now);
  const ready: Order = { ...counted, state: 'READY', readyAt: now, bay: bay || order.bay };
  return joined(ready, [draft('orders.ready', order.id, { orderId: order.id, bay: ready.bay })]);
}

/** Ready and paid, in either order, then collectable: without a bay too, or paid orders would wait for others to be paid. */
function joined(order: Order, events: readonly Draft[]): Decision {
  if (order.state !== 'READY' || !order.paid) return { order, events };
  const collectable = draft('orders.collectable', order.id, { orderId: order.id, bay: order.bay });
  return { order: { ...order, state: 'COLLECTABLE' }, events: [...events, collectable] };
}

function close(order: Order, state: 'CANCELLED' | 'REJECTED', reason: string, now: Date): Decision {
  const name = state === 'CANCELLED' ? 'orders.cancelled' : 'orders.rejected';
  return {
    order: { ...withLines(order, release), state, reason, closedAt: now },
    events: [draft(name, order.id, { orderId: order.id, reason })],
  };
}

function requestCancellation(
  order: Order,
  { requestedBy, reason }: Extract<OrderCommand, { type: 'requestCancellation' }>,
  now: Date,
): Decision {
  if (order.state === 'COMPLETED') throw tooLate(order);
  if (isUnwanted(order)) return only(order);
  const { cancellation, events } = beginCancellation({ orderId: order.id, reason }, requestedBy, now);
  return { order: { ...order, state: 'CANCELLING', reason, cancellation }, events };
}

/** Of an order that is over, or was never to be cancelled, there is nothing to go on with. */
function goOnCancelling(order: Order, input: CancellationInput, now: Date): Decision {
  const { id: orderId, reason, state, cancellation: before } = order;
  if (state !== 'CANCELLING' || !before) return only(order);
  const { cancellation, events } = decideCancellation({ orderId, reason }, before, input, now);
  if (cancellation === before) return only(order);
  const changed = { ...order, cancellation };
  if (isOver(cancellation)) return close(changed, 'CANCELLED', reason, now);
  return { order: mayStillPick(cancellation) ? changed : withLines(changed, release), events };
}

function tooLate({ id, closedAt }: Order): MallError {
  const message = `order ${id} cannot be cancelled: its goods were handed over at ${closedAt?.toISOString()}`;
  return refused('order_id', id, 'ORDER_COMPLETED', message, 'bring them to the desk');
}

function handOver(before: Order, proof: Proof, now: Date): Decision {
  const { order, refusal, events } = proof.type === 'code' ? tryCode(before, proof.code) : only(before);
  if (refusal) return { order, events, refusal };
  if (order.state === 'COMPLETED') return only(order);
  if (order.state !== 'COLLECTABLE') throw notCollectable(order);
  const { id: orderId } = order;
  const checked =
    proof.type === 'identity'
      ? [draft('orders.identity_checked', orderId, { orderId, reason: proof.reason, wasLocked: isLocked(order) })]
      : [];
  return {
    order: { ...withLines(order, release), state: 'COMPLETED', closedAt: now },
    events: [...checked, draft('orders.completed', orderId, { orderId })],
  };
}

function notCollectable({ id, state, paid, reason }: Order): MallError {
  const no = (code: string, why: string, remedy: string) =>
    refused('order_id', id, code, `order ${id} cannot be handed over: it is ${why}`, remedy);
  if (state === 'CANCELLED' || state === 'REJECTED') {
    return no(`ORDER_${state}`, `${state} (${reason})`, 'nothing is to be handed over; what was paid is refunded');
  }
  if (state === 'CANCELLING') {
    return no(
      'ORDER_CANCELLING',
      `being cancelled (${reason})`,
      'keep the goods at the depot; what was paid goes back',
    );
  }
  if (state === 'READY') return no('ORDER_NOT_PAID', 'READY but not paid', 'take the payment first');
  const remedy = paid
    ? 'wait until its goods are at the depot'
    : 'wait until its goods are at the depot and it is paid';
  return no('ORDER_NOT_READY', `${state}${paid ? '' : ' and not paid'}`, remedy);
}

const add =
  (more: LineCount) =>
  (line: OrderLine): OrderLine => {
    const picked = Math.min(line.quantity, line.picked + more.picked);
    return { ...line, picked, short: Math.min(line.quantity - picked, line.short + more.short) };
  };

const noCounts = (line: OrderLine): OrderLine =>
  line.picked === 0 && line.short === 0 ? line : { ...line, picked: 0, short: 0 };

/** All of the line is needed for `attempt`, unless it is known of already: news of bots and of the books overtake each other. */
const startedOver = (line: OrderLine, attempt: number): OrderLine =>
  attempt > line.attempt ? { ...line, attempt, held: line.quantity } : line;

/** What an earlier attempt took is out of the books, but not for this line any more. */
const take =
  ({ attempt, quantity }: { readonly attempt: number; readonly quantity: number }) =>
  (before: OrderLine): OrderLine => {
    const line = startedOver(before, attempt);
    return line.attempt === attempt ? hold(line, Math.max(0, line.held - quantity)) : line;
  };

const hold = (line: OrderLine, held: number): OrderLine => (line.held === held ? line : { ...line, held });
const release = (line: OrderLine): OrderLine => hold(line, 0);

function withLines(order: Order, change: (line: OrderLine) => OrderLine): Order {
  const lines = order.lines.map(change);
  return lines.every((line, index) => line === order.lines[index]) ? order : { ...order, lines };
}

const withLine = (order: Order, lineId: string, change: (line: OrderLine) => OrderLine): Order =>
  withLines(order, (line) => (line.id === lineId ? change(line) : line));

/** By how much each product's promised units change between two states of an order (undefined: before it was placed). */
export function commitmentChanges(before: Order | undefined, after: Order): ReadonlyMap<string, number> {
  const heldBefore = new Map(before?.lines.map((line) => [line.id, line.held]));
  const changes = after.lines.map((line) => [line.productId, line.held - (heldBefore.get(line.id) ?? 0)] as const);
  return new Map(changes.filter(([, change]) => change !== 0));
}

import type { Violation } from './checks.ts';

/** One line of an order, as each service that keeps count of it has it. */
export interface LineFact {
  readonly orderId: string;
  readonly lineId: string;
  /** Of the order. */
  readonly state: string;
  readonly unitPriceMinor: number;
  /** What Orders says. */
  readonly picked: number;
  readonly short: number;
  /** What Depot says. */
  readonly listPicked: number;
  readonly listShort: number;
  /** What bots took for this line by the books of Stores; of that, what is back on the shelf, and what never will be. */
  readonly taken: number;
  readonly returned: number;
  readonly gone: number;
  /** What the attempt that was not lost missed, by the books of Stores. */
  readonly missed: number;
}

export interface ProductFact {
  readonly productId: string;
  /** Units that it was added with. */
  readonly added: number;
  /** What Stores says that there is. */
  readonly stock: number;
  /** What Orders' copy says that there is, and how many of them are promised to open orders. */
  readonly copied: number;
  readonly committed: number;
  /** Units that bots took and did not bring back, or that are written off because bots missed them. */
  readonly out: number;
}

/** What an attempt that came to nothing had picked, as Depot has it. */
export interface ReturnFact {
  readonly taskId: string;
  readonly orderId: string;
  readonly state: string;
  /** Units. */
  readonly carried: number;
  readonly returned: number;
}

/** A shopping list, as Depot has it. */
export interface ListFact {
  readonly orderId: string;
  /** Of the order, by Orders. */
  readonly orderState: string;
  readonly state: string;
  /** Units. */
  readonly picked: number;
}

/** An order that somebody wanted to be cancelled, as Orders has it. */
export interface CancellationFact {
  readonly orderId: string;
  readonly refunded: boolean;
  readonly goods: string;
}

/** A bay that is not free. */
export interface BayFact {
  readonly bay: number;
  readonly orderId: string;
}

export interface BookFacts {
  readonly lines: readonly LineFact[];
  readonly products: readonly ProductFact[];
  readonly returns: readonly ReturnFact[];
  readonly bays: readonly BayFact[];
  readonly lists: readonly ListFact[];
  readonly cancellations: readonly CancellationFact[];
}

/**
 * The services count the same units, each by the events that it heard: whoever lost an event, or took one twice or too late, has another
 * number. Of a mall at rest.
 */
export function checkBooks(facts: BookFacts): Violation[] {
  return [
    ...linesAgree(facts),
    ...stockAddsUp(facts),
    ...returnsEnded(facts),
    ...baysAreFree(facts),
    ...cancelledHaveNothing(facts),
    ...cancellationsEnded(facts),
  ];
}

/** Of a return that is not over the bot may still bring something. */
export const isUnderWay = ({ state }: ReturnFact): boolean => state !== 'done' && state !== 'lost';

function linesAgree({ lines }: BookFacts): Violation[] {
  return lines.flatMap((line) => {
    const goods = line.state === 'COMPLETED' ? line.picked : 0;
    const differences = [
      ...(line.taken === goods + line.returned + line.gone
        ? []
        : [`Stores has given ${line.taken}, of which ${line.returned} are back and ${line.gone} are gone`]),
      ...(line.state !== 'COMPLETED' || line.missed === line.short ? [] : [`Stores has ${line.missed} missed`]),
      ...(line.state !== 'COMPLETED' || (line.listPicked === line.picked && line.listShort === line.short)
        ? []
        : [`Depot has ${line.listPicked} picked and ${line.listShort} short`]),
    ];
    if (differences.length === 0) return [];
    const orders = `Orders (${line.state}) has ${line.picked} picked and ${line.short} short`;
    return [
      {
        rule: 'services count the same units',
        subject: line.orderId,
        message: `line ${line.lineId}: ${orders}, ${differences.join(', ')}`,
      },
    ];
  });
}

function stockAddsUp({ products }: BookFacts): Violation[] {
  return products.flatMap(({ productId, added, stock, copied, committed, out }) => {
    const differences = [
      ...(stock === added - out ? [] : [`${stock} are left of ${added} after ${out} went`]),
      ...(copied === stock ? [] : [`Orders believes in ${copied}, Stores has ${stock}`]),
      ...(committed === 0 ? [] : [`${committed} are promised though no order is open`]),
    ];
    return differences.map((message) => ({ rule: 'stock adds up', subject: productId, message }));
  });
}

const returnsEnded = ({ returns }: BookFacts): Violation[] =>
  returns.filter(isUnderWay).map(({ taskId, state, carried, returned }) => ({
    rule: 'return ends',
    subject: taskId,
    message: `return is ${state}: a bot has ${carried - returned} of ${carried} units`,
  }));

const baysAreFree = ({ bays }: BookFacts): Violation[] =>
  bays.map(({ bay, orderId }) => ({
    rule: 'bays are free again',
    subject: orderId,
    message: `bay B${bay} still holds its goods`,
  }));

/** Nobody picks for an order that has ended without being handed over, and nothing waits at the depot for it. */
const cancelledHaveNothing = ({ lists }: BookFacts): Violation[] =>
  lists
    .filter(({ orderState }) => orderState === 'CANCELLED' || orderState === 'REJECTED')
    .filter(({ state, picked }) => !(noList.includes(state) || (state === 'completed' && picked === 0)))
    .map(({ orderId, orderState, state, picked }) => ({
      rule: 'a cancelled order has nothing',
      subject: orderId,
      message: `order is ${orderState}, its list is ${state} with ${picked} units picked`,
    }));

const noList: readonly string[] = ['stuck', 'cancelled'];

const cancellationsEnded = ({ cancellations }: BookFacts): Violation[] =>
  cancellations
    .filter(({ refunded, goods }) => !refunded || goods !== 'SETTLED')
    .map(({ orderId, refunded, goods }) => ({
      rule: 'a cancellation settles everything',
      subject: orderId,
      message: `the money is ${refunded ? '' : 'not '}settled, the goods are ${goods}`,
    }));

/** What Payments has for a completed order is the price of what was picked. */
export const priceOfPicked = (lines: readonly LineFact[]): ReadonlyMap<string, number> => {
  const price = new Map<string, number>();
  for (const { orderId, picked, unitPriceMinor } of lines)
    price.set(orderId, (price.get(orderId) ?? 0) + picked * unitPriceMinor);
  return price;
};

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
  /** What Stores took out of its books for this line, and did not put back. */
  readonly taken: number;
  readonly writtenOff: number;
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
  /** Units taken or written off by bots, those put back not counted. */
  readonly gone: number;
  /** A task for it has failed for good: its goods went back, what it missed stayed written off. */
  readonly touchedByFailure: boolean;
}

/** A bay that is not free. */
export interface BayFact {
  readonly bay: number;
  readonly orderId: string;
}

export interface BookFacts {
  readonly lines: readonly LineFact[];
  readonly products: readonly ProductFact[];
  readonly bays: readonly BayFact[];
}

/**
 * The services count the same units, each by the events that it heard: whoever lost an event, or took one twice or too late, has another
 * number. Of a mall at rest.
 */
export function checkBooks(facts: BookFacts): Violation[] {
  return [...linesAgree(facts), ...stockAddsUp(facts), ...baysAreFree(facts)];
}

function linesAgree({ lines }: BookFacts): Violation[] {
  return lines.flatMap((line) => {
    const goods = line.state === 'COMPLETED' ? line.picked : 0;
    const differences = [
      ...(line.taken === goods ? [] : [`Stores has given ${line.taken}`]),
      ...(line.state !== 'COMPLETED' || line.writtenOff === line.short
        ? []
        : [`Stores has written off ${line.writtenOff}`]),
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
  return products.flatMap(({ productId, added, stock, copied, committed, gone, touchedByFailure }) => {
    const differences = [
      ...(touchedByFailure || stock === added - gone ? [] : [`${stock} are left of ${added} after ${gone} went`]),
      ...(copied === stock ? [] : [`Orders believes in ${copied}, Stores has ${stock}`]),
      ...(committed === 0 ? [] : [`${committed} are promised though no order is open`]),
    ];
    return differences.map((message) => ({ rule: 'stock adds up', subject: productId, message }));
  });
}

const baysAreFree = ({ bays }: BookFacts): Violation[] =>
  bays.map(({ bay, orderId }) => ({
    rule: 'bays are free again',
    subject: orderId,
    message: `bay B${bay} still holds its goods`,
  }));

/** What Payments has for a completed order is the price of what was picked. */
export const priceOfPicked = (lines: readonly LineFact[]): ReadonlyMap<string, number> => {
  const price = new Map<string, number>();
  for (const { orderId, picked, unitPriceMinor } of lines)
    price.set(orderId, (price.get(orderId) ?? 0) + picked * unitPriceMinor);
  return price;
};

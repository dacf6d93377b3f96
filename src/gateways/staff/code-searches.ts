import type { Logger } from 'pino';
import { exhausted, MallError } from '../../contract/errors.ts';
import { TokenBucket } from '../../kit/token-bucket.ts';
import { hostOf } from '../../rpc/gate.ts';
import { ATTR_REASON } from '../../telemetry/attributes.ts';
import { type Instrument, observable, Tally } from '../../telemetry/instrument.ts';
import type { Telemetry } from '../../telemetry/setup.ts';

/** What the staff role tells of itself. */
export const staffInstruments = {
  codesRefused: {
    name: 'mallbots.staff.pickup_codes.refused',
    kind: 'counter',
    unit: '{code}',
    description:
      'Pickup codes that got nobody their goods: of no order (ORDER_NOT_FOUND), wrong, locked, or not tried any more',
    attributes: [ATTR_REASON],
  },
} as const satisfies Readonly<Record<string, Instrument>>;

/**
 * Codes of no order from one desk: these at once and as many a minute later. People mistype one now and then; who goes through codes would find one
 * in 3,500 with 100 orders waiting, and has then five tries of 21,952.
 */
export const codesOfNoOrder = 10;
/** Addresses that are remembered; of more, the one that was heard of longest ago is forgotten. */
const maxDesks = 1_000;

const tooManyCodes = 'TOO_MANY_CODES';

/**
 * The tries of codes. One that finds an order counts for that, which is locked after five wrong ones; one that finds none counts for the desk that it
 * comes from. A desk that has had too many names the order with the code, which no limit of its own stops, and other desks notice nothing.
 */
export class CodeSearches {
  readonly #refused: Tally;
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #desks = new Map<string, TokenBucket>();

  constructor({ meter, logger }: Pick<Telemetry, 'meter' | 'logger'>, nowMs = () => performance.now()) {
    this.#refused = new Tally(observable(meter, staffInstruments.codesRefused), ATTR_REASON);
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  /**
   * What `find` answers about a code that `peer` (`address:port`) tries, without naming an order.
   * @throws MallError RESOURCE_EXHAUSTED, and what `find` throws
   */
  async search<T>(peer: string | undefined, find: () => Promise<T>): Promise<T> {
    const desk = hostOf((peer ?? '').replace(/:\d+$/, ''));
    const bucket = this.#bucketOf(desk);
    return this.count(async () => {
      // Before the answer is known: of many at once no more get one.
      if (!bucket.take(this.#nowMs())) throw tooMany();
      try {
        const found = await find();
        bucket.giveBack();
        return found;
      } catch (thrown) {
        const isOfNoOrder = MallError.from(thrown).code === 'NOT_FOUND';
        if (!isOfNoOrder) bucket.giveBack();
        else if (!bucket.take(this.#nowMs(), { cost: 0, reserve: 1 }))
          this.#logger.warn({ desk }, 'a desk has tried many codes of no order; it has to wait');
        throw thrown;
      }
    });
  }

  /** `attempt`'s outcome; what it says against the code that it has is counted. */
  async count<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (thrown) {
      const { field, reason } = MallError.from(thrown).detail;
      if (field === 'pickup_code' || reason === 'PICKUP_LOCKED' || reason === tooManyCodes) this.#refused.add(reason);
      throw thrown;
    }
  }

  #bucketOf(desk: string): TokenBucket {
    const known = this.#desks.get(desk) ?? new TokenBucket(codesOfNoOrder, codesOfNoOrder / 60, this.#nowMs());
    this.#desks.delete(desk);
    this.#desks.set(desk, known);
    if (this.#desks.size > maxDesks) this.#desks.delete(this.#desks.keys().next().value!);
    return known;
  }
}

const tooMany = () =>
  exhausted(
    `more than ${codesOfNoOrder} codes a minute that are of no order`,
    tooManyCodes,
    'look for the order in the pickups, and give it with the code that its shopper shows, or wait a minute',
  );

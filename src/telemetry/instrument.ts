import type { Attributes, Histogram, Meter, Observable, ObservableResult } from '@opentelemetry/api';

/** What a figure is, as the exporter tells it: a table of these is what a role can be asked for. */
export interface Instrument {
  /** By the OpenTelemetry naming conventions. */
  readonly name: string;
  /** `count` is a number of things that come and go, which may be added up over processes; `gauge` one that may not. */
  readonly kind: 'counter' | 'count' | 'gauge' | 'histogram';
  /** UCUM. */
  readonly unit: string;
  readonly description: string;
  /** Names of its attributes; each has few values, and never an id. */
  readonly attributes: readonly string[];
  /** Upper bounds of a histogram's buckets, in `unit`. */
  readonly boundaries?: readonly number[];
}

type Observed = Instrument & { readonly kind: 'counter' | 'count' | 'gauge' };

/** An instrument that is read at each collection. */
export function observable(meter: Meter, { name, kind, unit, description }: Observed): Observable {
  const options = { unit, description };
  switch (kind) {
    case 'counter':
      return meter.createObservableCounter(name, options);
    case 'count':
      return meter.createObservableUpDownCounter(name, options);
    case 'gauge':
      return meter.createObservableGauge(name, options);
    default:
      return kind satisfies never;
  }
}

export const histogram = (meter: Meter, { name, unit, description, boundaries = [] }: Instrument): Histogram =>
  meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: [...boundaries] } });

/** Counts what needs no attribute to be told apart. An addition is one. */
export class Count {
  #value = 0;

  /** `attributes`: the same for all of it. */
  constructor(counter: Observable, attributes: Attributes = {}) {
    counter.addCallback((result) => result.observe(this.#value, attributes));
  }

  add(count = 1): void {
    this.#value += count;
  }
}

/** Tells what `read` answers with, each figure as its instrument: read once at each collection. */
export function watchFigures<K extends string>(
  meter: Meter,
  instruments: Readonly<Record<K, Observed>>,
  read: () => Readonly<Record<NoInfer<K>, number>>,
): void {
  const told = (Object.keys(instruments) as K[]).map((figure) => ({
    figure,
    instrument: observable(meter, instruments[figure]),
  }));
  meter.addBatchObservableCallback(
    (result) => {
      const figures = read();
      for (const { figure, instrument } of told) result.observe(instrument, figures[figure]);
    },
    told.map(({ instrument }) => instrument),
  );
}

/**
 * Tells how many there are of each value of `attribute`, asked for at each collection. Of what is gone, 0: the SDK goes on telling the last
 * figure of a value that is not told any more.
 */
export function watchCounts(
  instrument: Observable,
  attribute: string,
  read: () => Promise<ReadonlyMap<string, number>>,
): void {
  const seen = new Set<string>();
  instrument.addCallback(async (result) => {
    const counts = await read();
    for (const value of counts.keys()) seen.add(value);
    for (const value of seen) result.observe(counts.get(value) ?? 0, { [attribute]: value });
  });
}

/** Values of one attribute that are told apart; more, which can only come from outside, are counted together. */
const maxValues = 64;
/** What the conventions call all the others. */
const others = '_OTHER';

/**
 * Counts by the values of one attribute. An addition costs a look-up: the SDK's own counters put the attributes into JSON each time (0.6 to
 * 1.1 us measured), which is too much for what happens to every frame.
 */
export class Tally<K extends string = string> {
  readonly #attribute: string;
  readonly #more: Attributes;
  readonly #counts = new Map<string, { value: number; readonly attributes: Attributes }>();

  /** `more`: attributes that are the same for all of it. */
  constructor(counter: Observable, attribute: string, more: Attributes = {}) {
    this.#attribute = attribute;
    this.#more = more;
    counter.addCallback((result) => this.#observe(result));
  }

  add(key: K, count = 1): void {
    const known = this.#counts.get(key);
    if (known) known.value += count;
    else if (this.#counts.size < maxValues || key === others)
      this.#counts.set(key, { value: count, attributes: { ...this.#more, [this.#attribute]: key } });
    else this.add(others as K, count);
  }

  #observe(result: ObservableResult): void {
    for (const { value, attributes } of this.#counts.values()) result.observe(value, attributes);
  }
}

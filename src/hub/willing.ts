import { type Assignable, type Candidate, type Near, roomOf, type Willing } from './assign.ts';
import { cellOf, Floor } from './floor.ts';
import type { Arm } from './protocol/rollout-record.ts';

/** The bots that have room for tasks, kept in order as they change, so that nobody has to look at all of them for a task. */
export class WillingBots implements Willing {
  readonly #bots = new Map<string, Candidate>();
  /** By kind: those that do its tasks in a revision that is being tried, and the others. */
  readonly #floors: Readonly<Record<Arm, Map<string, Floor>>> = { canary: new Map(), control: new Map() };
  /** How many can read the same: few maps, which most bots share. */
  readonly #languages = new Map<Candidate['digests'], number>();
  readonly #shunning = new Map<string, Candidate>();
  readonly #takesOffers: (botId: string) => boolean;
  #room = 0;

  /** `takesOffers` is asked last, of who is found. */
  constructor(takesOffers: (botId: string) => boolean = () => true) {
    this.#takesOffers = takesOffers;
  }

  get size(): number {
    return this.#bots.size;
  }

  /** Tasks that all of them may still be given. */
  get room(): number {
    return this.#room;
  }

  /** What one of them can read. */
  get languages(): Iterable<Candidate['digests']> {
    return this.#languages.keys();
  }

  /** Ids of those that shall not be asked for some tasks just now. */
  get shunning(): Iterable<string> {
    return this.#shunning.keys();
  }

  /** Those tasks. */
  get shunned(): ReadonlySet<string> {
    return new Set([...this.#shunning.values()].flatMap(({ shunned }) => [...shunned]));
  }

  *[Symbol.iterator](): Iterator<Candidate> {
    for (const bot of this.#bots.values()) if (this.#takesOffers(bot.botId)) yield bot;
  }

  has(botId: string): boolean {
    return this.#bots.has(botId);
  }

  *nearest({ schema, position, onlyBotId }: Assignable, arm?: Arm): Iterable<Near> {
    if (onlyBotId !== '') {
      const bot = this.#bots.get(onlyBotId);
      if (bot && this.#takesOffers(onlyBotId)) yield { bot, far: 0 };
      return;
    }
    const of = (each: Arm) => this.#floors[each].get(schema.kind)?.from(position) ?? [];
    const [first, then]: readonly [Arm, Arm] = arm === 'canary' ? ['canary', 'control'] : ['control', 'canary'];
    const found = arm ? oneAfterTheOther(of(first), of(then)) : merged(of(first), of(then));
    for (const near of found) if (this.#takesOffers(near.bot.botId)) yield near;
  }

  set(bot: Candidate): void {
    const before = this.#bots.get(bot.botId);
    if (before) {
      this.#count(before, -1);
      // Who stands as before keeps its place among its equals.
      if (!standsLike(before, bot)) this.#leave(before);
    }
    this.#count(bot, 1);
    this.#bots.set(bot.botId, bot);
    for (const kind of kindsOf(bot)) {
      const floors = this.#floors[armOf(bot, kind)];
      const floor = floors.get(kind) ?? new Floor();
      floors.set(kind, floor);
      floor.set(bot);
    }
  }

  delete(botId: string): void {
    const bot = this.#bots.get(botId);
    if (!bot) return;
    this.#bots.delete(botId);
    this.#count(bot, -1);
    this.#leave(bot);
  }

  #leave(bot: Candidate): void {
    for (const kind of kindsOf(bot)) {
      const floors = this.#floors[armOf(bot, kind)];
      const floor = floors.get(kind);
      floor?.delete(bot);
      if (floor?.isEmpty) floors.delete(kind);
    }
  }

  #count(bot: Candidate, sign: 1 | -1): void {
    const { botId, digests, own, shunned } = bot;
    this.#room += sign * roomOf(bot);
    for (const language of new Set([digests, own])) {
      const readers = (this.#languages.get(language) ?? 0) + sign;
      if (readers > 0) this.#languages.set(language, readers);
      else this.#languages.delete(language);
    }
    if (sign > 0 && shunned.size > 0) this.#shunning.set(botId, bot);
    else this.#shunning.delete(botId);
  }
}

/** Of which it has room for a task. */
const kindsOf = ({ free, spoken }: Candidate): string[] => {
  const kinds: string[] = [];
  for (const [kind, language] of spoken) if ((free.get(language.kind) ?? 0) > 0) kinds.push(kind);
  return kinds;
};

const armOf = ({ tries }: Candidate, kind: string): Arm => (tries.has(kind) ? 'canary' : 'control');

/** Nothing has changed that its place on the floors depends on. */
function standsLike(a: Candidate, b: Candidate): boolean {
  const isThere = a.position && b.position ? cellOf(a.position) === cellOf(b.position) : a.position === b.position;
  const placesOf = (bot: Candidate) => kindsOf(bot).map((kind) => `${kind} ${armOf(bot, kind)}`);
  return isThere && a.load === b.load && placesOf(a).join() === placesOf(b).join();
}

function* oneAfterTheOther(first: Iterable<Near>, then: Iterable<Near>): Iterable<Near> {
  yield* first;
  yield* then;
}

/** Both in one order: near before far, and of equals who has less to do. */
function* merged(some: Iterable<Near>, others: Iterable<Near>): Iterable<Near> {
  const [left, right] = [some[Symbol.iterator](), others[Symbol.iterator]()];
  let [a, b] = [left.next(), right.next()];
  while (!a.done && !b.done) {
    const isFirst = a.value.far !== b.value.far ? a.value.far < b.value.far : a.value.bot.load <= b.value.bot.load;
    if (isFirst) {
      yield a.value;
      a = left.next();
    } else {
      yield b.value;
      b = right.next();
    }
  }
  for (; !a.done; a = left.next()) yield a.value;
  for (; !b.done; b = right.next()) yield b.value;
}

import { create, type DescEnum, type DescField, type DescMessage, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type ReflectList, type ReflectMap, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { typeOf } from '../check/field-type.ts';
import { type Conversion, conversionOf, isWellKnown, type Meaning, Untranslatable } from './convert.ts';
import type { Translation } from './document.ts';
import { type Link, leafOf, linksOf, localName, type Path, type Unlinked } from './links.ts';

/** `up` is from the older major to the newer one. */
export type Direction = 'up' | 'down';

/** What is wrong with a translation of two messages. */
export type Flaw = { readonly newer: DescMessage; readonly older: DescMessage } & (
  | ({ readonly type: 'unlinked' } & Unlinked)
  | { readonly type: 'types' | 'partial' | 'default'; readonly link: Link; readonly why: string }
);

/** How messages of one type become those of another, for one direction. */
export interface Plan {
  /** @throws Untranslatable */
  run(from: ReflectMessage): ReflectMessage;
  /** Takes out of a message of the source what does not come back from the other side, as the rules say. */
  strip(message: ReflectMessage): void;
}

interface Step {
  readonly link: Link;
  readonly source: Path | undefined;
  readonly target: Path | undefined;
  readonly conversion: Conversion | undefined;
  /** What the target has that the source has not. */
  readonly fill: (() => unknown) | undefined;
}

/** Makes plans of the rules; each pair of messages once, so that a message may contain itself. */
export class Planner {
  readonly #rules: Translation;
  readonly #direction: Direction;
  readonly #plans = new Map<string, Plan>();
  readonly #onFlaw: (flaw: Flaw) => void;

  constructor(rules: Translation, direction: Direction, onFlaw: (flaw: Flaw) => void = () => {}) {
    this.#rules = rules;
    this.#direction = direction;
    this.#onFlaw = onFlaw;
  }

  /** Of all that it has planned. */
  readonly pairs: Array<{ readonly newer: DescMessage; readonly older: DescMessage }> = [];

  plan(source: DescMessage, target: DescMessage): Plan {
    const key = `${source.typeName} ${target.typeName}`;
    const known = this.#plans.get(key);
    if (known) return known;
    let steps: readonly Step[] = [];
    const plan: Plan = {
      run: (from) => {
        const to = reflect(target, create(target));
        for (const step of steps) perform(step, from, to);
        return to;
      },
      strip: (message) => this.#strip(steps, message),
    };
    this.#plans.set(key, plan);
    steps = this.#stepsOf(source, target);
    return plan;
  }

  #stepsOf(source: DescMessage, target: DescMessage): Step[] {
    const isUp = this.#direction === 'up';
    const [newer, older] = isUp ? [target, source] : [source, target];
    this.pairs.push({ newer, older });
    const { links, unlinked } = linksOf(newer, older, this.#rules);
    const flawed = (flaw: Flaw) => this.#onFlaw(flaw);
    for (const each of unlinked) flawed({ type: 'unlinked', newer, older, ...each });
    return links.map((link): Step => {
      const [from, to] = isUp ? [link.older, link.newer] : [link.newer, link.older];
      const conversion = from && to && conversionOf(leafOf(from), leafOf(to), this.#meaning(link));
      if (from && to && !conversion) {
        flawed({
          type: 'types',
          newer,
          older,
          link,
          why: `${describe(leafOf(from))} cannot become ${describe(leafOf(to))}`,
        });
      }
      if (conversion?.isPartial && link.rule?.partial === undefined) {
        flawed({
          type: 'partial',
          newer,
          older,
          link,
          why: `not every ${describe(leafOf(from!))} is ${describe(leafOf(to!))}`,
        });
      }
      const fill =
        !from && to
          ? this.#fillOf(target, to, link, (why) => flawed({ type: 'default', newer, older, link, why }))
          : undefined;
      return { link, source: from, target: to, conversion, fill };
    });
  }

  #meaning({ rule }: Link): Meaning {
    const scale = rule?.scale ?? 1;
    const [factor, divisor] = this.#direction === 'up' ? [scale, 1] : [1, scale];
    return {
      factor,
      divisor,
      messageOf: (source, target) => {
        const plan = this.plan(source, target);
        return (value) => plan.run(value);
      },
      valueOf: (source, target) => this.#valueOf(source, target, this.#direction),
    };
  }

  /** By name; by a rule, where the other side has not that name. */
  #valueOf(source: DescEnum, target: DescEnum, direction: Direction): (number: number) => number | undefined {
    const newer = direction === 'up' ? target : source;
    const within = localName(newer);
    const renamed = new Map(
      this.#rules.values
        .filter((rule) => rule.in === within)
        // The first rule about a value counts.
        .toReversed()
        .map((rule) => (direction === 'up' ? [rule.older, rule.newer] : [rule.newer, rule.older])),
    );
    const numbers = new Map(target.values.map(({ name, number }) => [name, number]));
    const table = new Map(
      source.values.map(({ name, number }) => [number, numbers.get(name) ?? numbers.get(renamed.get(name) ?? '')]),
    );
    return (number) => table.get(number);
  }

  #fillOf(root: DescMessage, to: Path, { rule }: Link, onFlaw: (why: string) => void): (() => unknown) | undefined {
    if (rule?.default === undefined) return undefined;
    const json = to.toReversed().reduce<JsonValue>((value, { jsonName }) => ({ [jsonName]: value }), rule.default);
    const read = () => get(reflect(root, fromJson(root, json)), to);
    try {
      read();
      return read;
    } catch (error) {
      onFlaw(`the default is no ${describe(leafOf(to))}: ${(error as Error).message}`);
      return undefined;
    }
  }

  #strip(steps: readonly Step[], message: ReflectMessage): void {
    const kept = new Set(steps.map(({ source }) => source?.[0].name));
    for (const field of message.fields) if (!kept.has(field.name)) message.clear(field);
    for (const { source, target, link } of steps) {
      if (!source) continue;
      if (!target || link.rule?.lossy !== undefined) clear(message, source);
      else this.#stripValue(message, source, target);
      prune(message, source);
    }
  }

  #stripValue(message: ReflectMessage, source: Path, target: Path): void {
    const [from, to] = [leafOf(source), leafOf(target)];
    const value = get(message, source);
    if (value === undefined) return;
    if (from.enum && to.enum && this.#isLossy(from.enum, to.enum)) {
      const there = this.#valueOf(from.enum, to.enum, this.#direction);
      const back = this.#valueOf(to.enum, from.enum, this.#direction === 'up' ? 'down' : 'up');
      const again = (number: unknown) => back(there(number as number) ?? Number.NaN) ?? number;
      if (from.fieldKind === 'enum') set(message, source, again(value));
      if (from.fieldKind !== 'list') return;
      const list = value as ReflectList;
      for (const [index, number] of [...list].entries()) list.set(index, again(number));
    }
    if (!from.message || !to.message || isWellKnown(from.message)) return;
    const plan = this.plan(from.message, to.message);
    for (const each of messagesIn(from, value)) plan.strip(each);
  }

  #isLossy(source: DescEnum, target: DescEnum): boolean {
    const newer = this.#direction === 'up' ? target : source;
    const within = localName(newer);
    return this.#rules.values.some((rule) => rule.in === within && rule.lossy !== undefined);
  }
}

function perform({ source, target, conversion, fill }: Step, from: ReflectMessage, to: ReflectMessage): void {
  if (!target) return;
  if (!source) {
    const value = fill?.();
    if (value !== undefined) set(to, target, value);
    return;
  }
  const value = get(from, source);
  if (value === undefined || !conversion) return;
  try {
    set(to, target, conversion.convert(value));
  } catch (error) {
    throw error instanceof Untranslatable ? error.within(source.map(({ name }) => name).join('.')) : error;
  }
}

/** Undefined where it is not set. */
function get(message: ReflectMessage, [field, ...rest]: Path): unknown {
  if (!message.isSet(field)) return undefined;
  const value = message.get(field);
  return rest.length === 0 ? value : get(value as ReflectMessage, rest as unknown as Path);
}

function set(message: ReflectMessage, [field, ...rest]: Path, value: unknown): void {
  if (rest.length > 0) {
    if (!message.isSet(field)) message.set(field, reflect(field.message!));
    set(message.get(field) as ReflectMessage, rest as unknown as Path, value);
  } else if (field.fieldKind === 'list') {
    const list = message.get(field) as ReflectList;
    for (const element of value as Iterable<unknown>) list.add(element);
  } else if (field.fieldKind === 'map') {
    const map = message.get(field) as ReflectMap;
    for (const [key, element] of value as Iterable<[never, unknown]>) map.set(key, element);
  } else message.set(field, value);
}

function clear(message: ReflectMessage, [field, ...rest]: Path): void {
  if (rest.length === 0) message.clear(field);
  else if (message.isSet(field)) clear(message.get(field) as ReflectMessage, rest as unknown as Path);
}

/** Something was moved out of a message: an empty one is as good as none from then on. */
function prune(message: ReflectMessage, [field, ...rest]: Path): void {
  if (rest.length === 0 || !message.isSet(field)) return;
  const within = message.get(field) as ReflectMessage;
  prune(within, rest as unknown as Path);
  if (within.fields.every((each) => !within.isSet(each))) message.clear(field);
}

function* messagesIn(field: DescField, value: unknown): Iterable<ReflectMessage> {
  if (field.fieldKind === 'list') yield* value as Iterable<ReflectMessage>;
  else if (field.fieldKind === 'map') yield* (value as ReadonlyMap<unknown, ReflectMessage>).values();
  else yield value as ReflectMessage;
}

const describe = (field: DescField): string => `${typeOf(field)} ${field.name}`;

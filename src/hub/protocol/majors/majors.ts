import type { SchemaRef } from '../../../gen/fleet/v1/fleet.ts';
import type { LiveRevision } from '../view.ts';
import { majorOf, type Translation } from './document.ts';
import type { Part } from './parts.ts';
import type { Direction } from './planner.ts';
import { type Translator, tongueOf, translator } from './translator.ts';

/** A translation that is in force. */
export interface LiveTranslation {
  /** The same object for as long as it is in force: what is made of it is kept by it. */
  readonly rules: Translation;
  readonly version: number;
}

interface Step extends LiveTranslation {
  readonly direction: Direction;
}

const made = new WeakMap<Translation, Map<string, Translator>>();

/** Which majors can be done in one another, and the payloads of one as those of another. Never changed, like the view that it is of. */
export class Majors {
  readonly #byNewer: ReadonlyMap<string, LiveTranslation>;
  readonly #families = new Map<string, readonly string[]>();

  constructor(translations: readonly LiveTranslation[]) {
    this.#byNewer = new Map(translations.map((each) => [each.rules.newer, each]));
    const kinds = new Set(translations.flatMap(({ rules: { older, newer } }) => [older, newer]));
    const families = Map.groupBy(kinds, (kind) => this.#ancestors(kind).at(-1)!);
    for (const of of families.values()) {
      const family = of.toSorted((a, b) => majorOf(a).major - majorOf(b).major);
      for (const kind of family) this.#families.set(kind, family);
    }
  }

  get isEmpty(): boolean {
    return this.#byNewer.size === 0;
  }

  /** The kinds whose bots can do its tasks, the oldest major first; the kind itself among them. */
  familyOf(kind: string): readonly string[] {
    return this.#families.get(kind) ?? [kind];
  }

  /** Every kind with what stands for its family. */
  roots(): Array<{ readonly kind: string; readonly root: string }> {
    return [...this.#families].map(([kind, [root]]) => ({ kind, root: root! }));
  }

  /** What a translation is known by when it has failed: with another version, or into another revision, it may succeed. */
  nameOf(from: string, { kind, digest }: Pick<SchemaRef, 'kind' | 'digest'>): string {
    const steps = this.#way(from, kind).map(({ rules, version }) => `${rules.newer}:${version}`);
    return `${digest} ${steps.join(' ')}`;
  }

  /**
   * A payload of `source` as one of `target`. `between` is the revision of a major that is passed on the way.
   * @throws Untranslatable when a value has no counterpart, Error when the payload is none of `source`
   */
  translate(
    source: LiveRevision,
    target: LiveRevision,
    part: Part,
    payload: Uint8Array,
    between: (kind: string) => LiveRevision,
  ): Uint8Array {
    let [at, bytes] = [source, payload];
    for (const step of this.#way(source.schema.kind, target.schema.kind)) {
      const kind = step.direction === 'up' ? step.rules.newer : step.rules.older;
      const next = kind === target.schema.kind ? target : between(kind);
      bytes = translatorBetween(step, at, next).translate(part, bytes);
      at = next;
    }
    return bytes;
  }

  /** From the kind down to the oldest major that it can be translated to. */
  #ancestors(kind: string): string[] {
    const older = this.#byNewer.get(kind)?.rules.older;
    return older === undefined ? [kind] : [kind, ...this.#ancestors(older)];
  }

  /** Down to what both come from, and up from there. */
  #way(from: string, to: string): Step[] {
    const [down, up] = [this.#ancestors(from), this.#ancestors(to)];
    const common = down.find((kind) => up.includes(kind));
    if (common === undefined) throw new Error(`there is no translation between ${from} and ${to}`);
    const steps = (kinds: readonly string[], direction: Direction) =>
      kinds.slice(0, kinds.indexOf(common)).map((kind): Step => ({ ...this.#byNewer.get(kind)!, direction }));
    return [...steps(down, 'down'), ...steps(up, 'up').reverse()];
  }
}

function translatorBetween({ rules, direction }: Step, source: LiveRevision, target: LiveRevision): Translator {
  const of = made.get(rules) ?? new Map<string, Translator>();
  made.set(rules, of);
  const key = `${source.schema.digest} ${target.schema.digest}`;
  const known = of.get(key) ?? translator(rules, direction, tongueOf(source.offer), tongueOf(target.offer));
  of.set(key, known);
  return known;
}

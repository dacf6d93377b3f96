import type { Draft } from '../../contract/message.ts';
import type { Original, TaskRef } from '../../gen/events/bots/v1/events.ts';
import { kinds } from '../../gen/kinds.ts';
import { bringBack } from './return.ts';
import { shop } from './shop.ts';

/** Everything of a report that a kind does not decide. */
export interface Reported {
  readonly task: TaskRef;
  readonly original: Original;
  readonly correlationId: string;
}

/**
 * What the bots of a kind say, in the words of the mall's events. Pure.
 * @throws MallError INVALID_ARGUMENT naming the field that has an impossible value; anything else means that the payload is not of this kind
 */
export interface KindTranslator {
  progress(payload: Uint8Array, reported: Reported): Draft;
  /** The payload is decoded at once; the event is made when the result is accepted. */
  result(payload: Uint8Array): (reported: Reported) => Draft;
}

const translators: Readonly<Record<keyof typeof kinds, KindTranslator>> = { return: bringBack, shop };

/** The translator for exactly this revision; undefined when this hub does not know it. */
export function translatorOf(schema: { readonly kind: string; readonly digest: string }): KindTranslator | undefined {
  if (!Object.hasOwn(kinds, schema.kind)) return undefined;
  const known = kinds[schema.kind as keyof typeof kinds];
  return known.digest === schema.digest ? translators[known.kind] : undefined;
}

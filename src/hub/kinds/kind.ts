import type { Draft } from '../../contract/message.ts';
import type { Original, TaskRef } from '../../gen/events/bots/v1/events.ts';
import type { kinds } from '../../gen/kinds.ts';
import { passOn } from './pass-on.ts';
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

/** Whether the mall has events for what the bots of a kind say. */
export const hasWords = (kind: string): boolean => Object.hasOwn(translators, kind);

/**
 * The translator of a kind, whichever its revision: revisions of one kind are compatible, and fields that a translator does not know reach
 * consumers in the original.
 */
export const translatorOf = (kind: string): KindTranslator =>
  hasWords(kind) ? translators[kind as keyof typeof translators] : passOn;

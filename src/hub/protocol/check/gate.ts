import type { DescMessage } from '@bufbuild/protobuf';
import { mulberry32 } from '../../../kit/mulberry32.ts';
import { readCorpus } from '../corpus/corpus.ts';
import { parts } from '../majors/parts.ts';
import type { Language } from './language.ts';
import { drawPayload } from './payload.ts';
import type { Roots } from './revision.ts';
import { lossOf, type Reader } from './round-trip.ts';
import { finding } from './rules.ts';
import type { Finding } from './violation.ts';

/** Made-up payloads of each message of each side: what no bot has said yet, new fields above all. */
const samplesPerMessage = 16;

/**
 * The last gate: payloads that were recorded in a mall, and samples that have every field of either side, are decoded by `older` and by `candidate`,
 * written again with what is unknown kept, and compared. Whatever the rules have overlooked shows here.
 */
export function checkPayloads(older: Language, candidate: Language, kind: string, roots: Roots): Finding[] {
  const recorded = readCorpus(kind);
  const found: Finding[] = [];
  for (const part of parts) {
    const [before, now] = [readerOf(older, roots[part]), readerOf(candidate, roots[part])];
    if (!before || !now) continue;
    const trips = [
      ...recorded.filter((entry) => entry.part === part).map(({ payload }) => [payload, before, now] as const),
      ...samplesOf(before.message).map((payload) => [payload, before, now] as const),
      ...samplesOf(now.message).map((payload) => [payload, now, before] as const),
    ];
    for (const [payload, writer, through] of trips) {
      const loss = lossOf(payload, writer, through);
      if (loss === undefined) continue;
      found.push({
        ...finding('PAYLOAD_LOST', now.message, `a ${part} is lost on the way: ${loss}`),
        breaks: writer === before ? 'candidate-reads-older' : 'older-reads-candidate',
      });
      break;
    }
  }
  return found;
}

const readerOf = ({ registry }: Language, typeName: string): Reader | undefined => {
  const message = registry.getMessage(typeName);
  return message && { message, registry };
};

const drawn = new WeakMap<DescMessage, readonly Uint8Array[]>();

/** The same at every check: what was accepted once is accepted again. A candidate's serve for every revision that it is held against. */
export function samplesOf(message: DescMessage): readonly Uint8Array[] {
  const known = drawn.get(message);
  if (known) return known;
  const random = mulberry32(1);
  const draw = (choices: number) => Math.floor(random() * choices);
  const made = Array.from({ length: samplesPerMessage }, () => drawPayload(message, draw));
  drawn.set(message, made);
  return made;
}

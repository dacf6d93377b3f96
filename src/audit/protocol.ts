import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { Violation } from './checks.ts';

/** A hub that was not told polls for what has changed: so long, and somewhat more, it may go by what was so before. */
const viewIsOldForMs = 5_000;

/** What the tables, the journal and the traces say about the languages that bots were spoken to in. */
export interface ProtocolFacts {
  readonly revisions: readonly RevisionFact[];
  /** Every change of a revision's state, oldest first. */
  readonly changes: readonly ChangeFact[];
  readonly pins: readonly PinFact[];
  /** What bots said, as the journal has it. */
  readonly reports: readonly ReportFact[];
  readonly words: readonly WordFact[];
  readonly offers: readonly OfferFact[];
}

export interface RevisionFact {
  readonly digest: string;
  readonly kind: string;
  readonly revision: number;
  readonly state: string;
}

export interface ChangeFact {
  readonly digest: string;
  readonly to: string;
  /** Of a canary; 0 otherwise. */
  readonly percent: number;
  readonly by: string;
  readonly atMs: number;
}

/** A task, and the revision that its newest attempt was offered in; empty for one that nobody was offered. */
export interface PinFact {
  readonly taskId: string;
  readonly kind: string;
  readonly state: string;
  readonly fence: number;
  readonly digest: string;
}

export interface ReportFact {
  readonly messageId: string;
  readonly taskId: string;
  readonly fence: number;
  readonly digest: string;
  /** By the names of its revision; null where that cannot read it. */
  readonly said: JsonObject | null;
}

/** What a bot said last of a revision. */
export interface WordFact {
  readonly botId: string;
  readonly digest: string;
  readonly status: string;
}

export interface OfferFact {
  readonly taskId: string;
  readonly botId: string;
  readonly digest: string;
  readonly atMs: number;
}

/** Every promise about the protocol that `facts` break, of a mall at rest. */
export function checkProtocol(facts: ProtocolFacts): Violation[] {
  return [
    ...reportedAsPinned(facts),
    ...readable(facts),
    ...offeredAsApplied(facts),
    ...sharesOnlyGrow(facts),
    ...retiredIsOver(facts),
  ];
}

/** A bot reports in the revision that its attempt was offered in, whatever changed meanwhile. */
function reportedAsPinned({ pins, reports }: ProtocolFacts): Violation[] {
  const pinned = new Map(pins.map((pin) => [`${pin.taskId} ${pin.fence}`, pin.digest]));
  const first = new Map<string, string>();
  return reports.flatMap(({ messageId, taskId, fence, digest }) => {
    const attempt = `${taskId} ${fence}`;
    // Of an attempt that was lost only its reports are left, which are of one revision.
    if (!first.has(attempt)) first.set(attempt, digest);
    const expected = pinned.get(attempt) ?? first.get(attempt)!;
    if (digest === expected) return [];
    const message = `it is written in ${digest}, its task is pinned to ${expected}`;
    return [{ rule: 'a task is reported in the revision that it is pinned to', subject: messageId, message }];
  });
}

function readable({ revisions, reports }: ProtocolFacts): Violation[] {
  const rule = 'a report can be read in its revision';
  const known = new Set(revisions.map(({ digest }) => digest));
  return reports.flatMap(({ messageId, digest, said }) => {
    if (!known.has(digest)) return [{ rule, subject: messageId, message: `nobody has published ${digest}` }];
    if (said === null) return [{ rule, subject: messageId, message: `it is no message of ${digest}` }];
    const unnamed = numbersIn(said);
    return unnamed.length === 0
      ? []
      : [{ rule, subject: messageId, message: `${digest} has no name for its fields ${unnamed.join(', ')}` }];
  });
}

/** What a revision has no name for stands under its number. */
function numbersIn(value: JsonValue): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(!Array.isArray(value) && /^\d+$/.test(name) ? [name] : []),
    ...numbersIn(inner),
  ]);
}

function offeredAsApplied({ offers, words }: ProtocolFacts): Violation[] {
  const applied = new Set(words.flatMap((word) => (word.status === 'APPLIED' ? [`${word.botId} ${word.digest}`] : [])));
  return offers
    .filter(({ botId, digest }) => !applied.has(`${botId} ${digest}`))
    .map(({ taskId, botId, digest }) => ({
      rule: 'no bot is offered a revision that it has not applied',
      subject: taskId,
      message: `${botId} was offered it in ${digest}`,
    }));
}

/** Whichever hub leads a rollout, and however many were killed: it goes on at the share where it was. */
function sharesOnlyGrow({ changes }: ProtocolFacts): Violation[] {
  const led = changes.filter(({ to, percent }) => to === 'CANARY' && percent > 0);
  return [...Map.groupBy(led, ({ digest }) => digest)].flatMap(([digest, of]) =>
    of.flatMap(({ percent, by }, index) => {
      const before = of[index - 1]?.percent ?? 0;
      if (by !== 'rollout' || percent > before) return [];
      const message = `it went from ${before} % to ${percent} %`;
      return [{ rule: 'a rollout goes on at the share where it was', subject: digest, message }];
    }),
  );
}

/** A retirement is told to every hub; from then on nobody is offered a task in the revision. */
function retiredIsOver({ changes, offers }: ProtocolFacts): Violation[] {
  const retiredAt = new Map(
    changes.flatMap(({ digest, to, atMs }) => (to === 'RETIRED' ? [[digest, atMs] as const] : [])),
  );
  return offers
    .filter(({ digest, atMs }) => atMs > (retiredAt.get(digest) ?? Number.POSITIVE_INFINITY) + viewIsOldForMs)
    .map(({ taskId, botId, digest }) => ({
      rule: 'nobody works in a revision that is retired',
      subject: taskId,
      message: `${botId} was offered it in ${digest} after that was retired`,
    }));
}

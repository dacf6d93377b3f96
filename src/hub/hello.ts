import { invalid } from '../contract/errors.ts';
import { requireId } from '../contract/ids.ts';
import type { Credit, Hello, KindSupport, Position } from '../gen/fleet/v1/fleet.ts';

/** Also part of span attributes, log lines and file names. */
export const botIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const kindPattern = /^[a-z][a-z0-9_.-]{0,63}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;
/**
 * Kinds that one bot serves, and revisions of each that it holds: a few of each live at a time. Twice what the SDK keeps of what it is taught (64),
 * since what a bot was built with comes on top: with more a bot could not come back.
 */
const maxKinds = 128;
const maxDigests = 128;
/** Tasks that one bot holds at once, of all kinds. */
export const maxHeldTasks = 64;
const maxFeatures = 64;
/** Tokens are ours and shorter. */
const maxTokenBytes = 64;
/** The minor of fleet.v1 that this hub speaks. */
export const envelopeMinor = 0;

/** A Hello whose every field is possible. */
export interface Introduction {
  readonly botId: string;
  readonly instanceId: string;
  readonly bootCount: number;
  /** Empty when the bot has none. */
  readonly resumeToken: Uint8Array;
  /** The newest hub frame that the bot has seen. */
  readonly lastHubSeq: number;
  readonly kinds: ReadonlySet<string>;
  /** The same, each with the digests that the bot has applied. */
  readonly supports: ReadonlyArray<Pick<KindSupport, 'kind' | 'digests'>>;
  /** It serves whatever kind it applies a revision of. */
  readonly anyKind: boolean;
  /** Tasks that the bot may hold at once, by kind; only kinds that it serves. */
  readonly credits: ReadonlyMap<string, number>;
  readonly digests: ReadonlySet<string>;
  readonly held: ReadonlyArray<{ readonly taskId: string; readonly fence: number; readonly finished: boolean }>;
  readonly position: Position | undefined;
}

/** @throws MallError INVALID_ARGUMENT naming the first field at fault */
export function readHello(hello: Hello): Introduction {
  const { botId, bootCount, resumeToken, lastHubSeq, envelope, kinds, credits, heldTasks, position } = hello;
  if (!botIdPattern.test(botId)) {
    throw invalid(
      'hello.bot_id',
      botId,
      'MALFORMED_BOT_ID',
      'give 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first',
    );
  }
  const instanceId = requireId('hello.instance_id', hello.instanceId, 'give a UUID drawn when the bot process starts');
  if (resumeToken.length > maxTokenBytes) {
    const remedy = 'repeat the one of the last welcome, or leave it empty';
    throw invalid('hello.resume_token', `${resumeToken.length} bytes`, 'TOO_LONG', remedy);
  }
  if (envelope && envelope.minMinor > envelopeMinor) {
    const remedy = `this hub speaks minor ${envelopeMinor} of fleet.v1; accept it or find a newer hub`;
    throw invalid('hello.envelope.min_minor', envelope.minMinor, 'ENVELOPE_TOO_NEW', remedy);
  }
  requireCount('hello.features', hello.features, maxFeatures);
  requireCount('hello.kinds', kinds, maxKinds);
  requireCount('hello.credits', credits, maxKinds);
  requireCount('hello.held_tasks', heldTasks, maxHeldTasks);
  kinds.forEach(requireKind);
  const served = new Set(kinds.map(({ kind }) => kind));
  const speaker = { kinds: served, anyKind: hello.anyKind };
  heldTasks.forEach(({ taskId, fence }, index) => {
    requireId(`hello.held_tasks[${index}].task_id`, taskId, 'repeat the id from the offer');
    if (fence < 1)
      throw invalid(`hello.held_tasks[${index}].fence`, fence, 'OUT_OF_RANGE', 'repeat the fence of the offer');
  });
  return {
    botId,
    instanceId,
    bootCount,
    resumeToken,
    lastHubSeq,
    kinds: served,
    anyKind: hello.anyKind,
    supports: kinds.map(({ kind, digests }) => ({ kind, digests })),
    credits: new Map(
      credits.map((credit, index) => [credit.kind, readCredit(`hello.credits[${index}]`, credit, speaker)]),
    ),
    digests: new Set(kinds.flatMap(({ digests }) => digests)),
    held: heldTasks.map(({ taskId, fence, finished }) => ({ taskId, fence, finished })),
    position: position && readPosition('hello.position', position),
  };
}

/** @throws MallError INVALID_ARGUMENT naming the field */
export function readCredit(
  field: string,
  { kind, amount }: Credit,
  { kinds, anyKind }: Pick<Introduction, 'kinds' | 'anyKind'>,
): number {
  if (!kinds.has(kind) && !(anyKind && kindPattern.test(kind))) {
    throw invalid(`${field}.kind`, kind, 'KIND_NOT_SERVED', 'give a kind that hello.kinds lists');
  }
  if (amount > maxHeldTasks) throw invalid(`${field}.amount`, amount, 'OUT_OF_RANGE', `give at most ${maxHeldTasks}`);
  return amount;
}

/** @throws MallError INVALID_ARGUMENT naming the field */
export function readPosition(field: string, { x, y }: Position): Position {
  if (!Number.isFinite(x)) throw invalid(`${field}.x`, x, 'NOT_A_NUMBER', 'give metres');
  if (!Number.isFinite(y)) throw invalid(`${field}.y`, y, 'NOT_A_NUMBER', 'give metres');
  return { x, y };
}

function requireKind({ kind, digests }: KindSupport, index: number): void {
  const field = `hello.kinds[${index}]`;
  if (!kindPattern.test(kind)) throw invalid(`${field}.kind`, kind, 'MALFORMED_KIND', 'give a name such as shop');
  requireCount(`${field}.digests`, digests, maxDigests);
  for (const digest of digests) {
    if (!digestPattern.test(digest)) {
      throw invalid(`${field}.digests`, digest, 'MALFORMED_DIGEST', 'give sha256: and 64 hexadecimal digits');
    }
  }
}

/** @throws MallError INVALID_ARGUMENT naming the field */
export function requireCount(field: string, list: readonly unknown[], most: number): void {
  if (list.length > most) throw invalid(field, `${list.length} entries`, 'TOO_MANY', `give at most ${most}`);
}

import { invalid, MallError, quoted, refused } from '../../contract/errors.ts';
import type { RevisionState } from './revision-states.ts';

export interface KnownRevision {
  readonly digest: string;
  /** From 1, in the order of publishing. */
  readonly revision: number;
  readonly state: RevisionState;
}

/** A kind as its row is locked. */
export interface KnownKind {
  readonly kind: string;
  readonly version: number;
  /** Oldest first. */
  readonly revisions: readonly KnownRevision[];
}

export type MovedKind = Pick<KnownKind, 'kind' | 'version'>;

/** What has become of a kind since a version of it, oldest first. */
export type Since = ReadonlyArray<{ readonly revision: number; readonly to: RevisionState; readonly by: string }>;

/** Of them, how many a refusal tells. */
const maxSince = 5;

/** What the fleet has to do with a revision; of bots, those that are connected and serve the kind. */
export interface Usage {
  readonly connected: number;
  readonly applied: number;
  readonly rejected: number;
  /** Hold it, and no other revision that is in use. */
  readonly onlyThis: number;
  /** Tasks that somebody does in it. */
  readonly pinned: number;
  /** Tasks that wait, and whose payload is written in it. */
  readonly waiting: number;
  /** The program was built with it, and goes on writing in it. */
  readonly builtIn: boolean;
  /** Majors with an ACTIVE revision whose bots do tasks of this kind. */
  readonly elsewhere: readonly string[];
}

/** What of it says who still needs the revision. */
export type Need = Pick<Usage, 'onlyThis' | 'pinned' | 'waiting' | 'builtIn'>;

export type RevisionCommand =
  | { readonly type: 'canary'; readonly percent: number }
  | { readonly type: 'activate' | 'deprecate' | 'retire' | 'rollback' }
  /** Nobody needs it any more, as the hub has seen by itself. */
  | { readonly type: 'drained' };

export interface RevisionChange {
  readonly digest: string;
  readonly from: RevisionState;
  readonly to: RevisionState;
}

/** Nothing in it: what is asked for is so already. */
export interface RevisionDecision {
  readonly changes: readonly RevisionChange[];
  /** What becomes of the kind's rollout. */
  readonly rollout?: 'begin' | 'adjust' | 'promoted' | 'rolledBack';
}

const unchanged: RevisionDecision = { changes: [] };

/**
 * What becomes of descriptors that are published: a new revision, and one that was checked is CHECKED, unless it is further already. A draft is not checked.
 *
 * @throws MallError FAILED_PRECONDITION for those of a revision that is RETIRED
 */
export function decidePublication(
  { kind, revisions }: Pick<KnownKind, 'kind' | 'revisions'>,
  { digest, isDraft }: { readonly digest: string; readonly isDraft: boolean },
): RevisionDecision & { readonly isNew: boolean } {
  const known = revisions.find((revision) => revision.digest === digest);
  if (known?.state === 'RETIRED') {
    const message = `these descriptors are revision ${known.revision} of ${kind}, which is RETIRED`;
    throw refused('file_descriptor_set', digest, 'RETIRED', message, 'publish changed ones');
  }
  const from = known?.state ?? 'DRAFT';
  const isChecked = !isDraft && (from === 'DRAFT' || from === 'ROLLED_BACK');
  return { isNew: !known, changes: isChecked ? [{ digest, from, to: 'CHECKED' }] : [] };
}

/**
 * The life of a revision; its publication is a matter of `decidePublication`.
 *
 * | state       | publish | canary         | activate | deprecate  | drained | retire            | rollback    |
 * |-------------|---------|----------------|----------|------------|---------|-------------------|-------------|
 * | DRAFT       | CHECKED | refused        | refused  | refused    | -       | RETIRED           | refused     |
 * | CHECKED     | same    | CANARY         | ACTIVE   | refused    | -       | RETIRED           | refused     |
 * | CANARY      | same    | CANARY, share  | ACTIVE   | refused    | -       | refused           | ROLLED_BACK |
 * | ACTIVE      | same    | refused        | same     | DEPRECATED | -       | refused           | ROLLED_BACK |
 * | DEPRECATED  | same    | refused        | ACTIVE   | same       | DRAINED | DRAINED, RETIRED  | refused     |
 * | DRAINED     | same    | refused        | ACTIVE   | same       | -       | RETIRED           | refused     |
 * | RETIRED     | refused | refused        | refused  | refused    | -       | same              | refused     |
 * | ROLLED_BACK | CHECKED | refused        | refused  | refused    | -       | RETIRED           | same        |
 *
 * One revision of a kind is in CANARY at a time; several may be ACTIVE. ACTIVE needs a connected bot that could do the work. There is always an
 * ACTIVE one once there was one: the last is not deprecated, and a rollback of it makes the newest DEPRECATED one ACTIVE again. One of another major that
 * the tasks are translated to will do, so that a major can go as a whole. Nothing is
 * retired that a task is pinned to, that a connected bot needs, or that a task waits in, unless the program itself goes on writing in it.
 *
 * `basedOn` is the version of the kind that whoever asks has seen. What is so already is no conflict: a repeated command changes nothing.
 *
 * @throws MallError ABORTED when the kind has moved on, FAILED_PRECONDITION when the command does not fit, with what to do
 */
export function decideRevision(
  kind: KnownKind,
  { digest, basedOn, since = [] }: { readonly digest: string; readonly basedOn: number; readonly since?: Since },
  command: RevisionCommand,
  usage: Usage,
): RevisionDecision {
  const target = kind.revisions.find((revision) => revision.digest === digest);
  if (!target) throw new Error(`revision ${digest} is none of kind ${kind.kind}`);
  if (isSoAlready(target.state, command)) return unchanged;
  if (basedOn !== kind.version) throw moved(kind, basedOn, since, 'look at it again and repeat what still makes sense');
  switch (command.type) {
    case 'canary':
      return canary(kind, target, command.percent);
    case 'activate':
      return activate(kind, target, usage);
    case 'deprecate':
      return deprecate(kind, target, usage);
    case 'drained':
      return target.state === 'DEPRECATED' && needs(kind.kind, usage).length === 0
        ? { changes: [{ digest, from: 'DEPRECATED', to: 'DRAINED' }] }
        : unchanged;
    case 'retire':
      return retire(kind, target, usage);
    case 'rollback':
      return rollback(kind, target, usage);
    default:
      return command satisfies never;
  }
}

function isSoAlready(state: RevisionState, { type }: RevisionCommand): boolean {
  switch (type) {
    case 'canary':
      return false;
    case 'activate':
      return state === 'ACTIVE';
    case 'deprecate':
      return state === 'DEPRECATED' || state === 'DRAINED';
    case 'drained':
      return state === 'DRAINED' || state === 'RETIRED';
    case 'retire':
      return state === 'RETIRED';
    case 'rollback':
      return state === 'ROLLED_BACK';
    default:
      return type satisfies never;
  }
}

function canary(kind: KnownKind, target: KnownRevision, percent: number): RevisionDecision {
  if (!Number.isInteger(percent) || percent < 1 || percent > 100) {
    throw invalid('percent', percent, 'OUT_OF_RANGE', 'give a whole number from 1 to 100');
  }
  if (target.state === 'CANARY') return { changes: [], rollout: 'adjust' };
  const other = kind.revisions.find(({ state }) => state === 'CANARY');
  if (other && target.state === 'CHECKED') {
    const message = `revision ${other.revision} of ${kind.kind} is in CANARY`;
    throw refused('digest', target.digest, 'CANARY_UNDER_WAY', message, 'activate it or roll it back first');
  }
  const remedy =
    target.state === 'ROLLED_BACK' ? 'publish it again, to have it checked again' : 'only a CHECKED one can be';
  return { ...move(target, 'CANARY', ['CHECKED'], 'tried on some bots', remedy), rollout: 'begin' };
}

function activate({ kind }: KnownKind, target: KnownRevision, usage: Usage): RevisionDecision {
  const remedy =
    target.state === 'DRAFT'
      ? 'publish it without draft, to have it checked'
      : 'publish it again, to have it checked again';
  const decision = move(target, 'ACTIVE', ['CHECKED', 'CANARY', 'DEPRECATED', 'DRAINED'], 'activated', remedy);
  const { connected, applied, rejected } = usage;
  // What was delivered has been answered by now, as far as it ever will be.
  const able = target.state === 'CHECKED' ? connected - rejected : applied;
  if (able < 1) {
    const numbers = `${connected} connected bots serve the kind, ${applied} have applied the revision, ${rejected} have rejected it`;
    throw refused(
      'digest',
      target.digest,
      'NOBODY_COULD_DO_IT',
      `no connected bot could do tasks of ${kind} in revision ${target.revision}: ${numbers}`,
      target.state === 'CHECKED' ? 'connect bots that serve it' : 'let bots apply it first',
    );
  }
  return { ...decision, ...(target.state === 'CANARY' && { rollout: 'promoted' as const }) };
}

function deprecate(kind: KnownKind, target: KnownRevision, { elsewhere }: Usage): RevisionDecision {
  const remedy = target.state === 'CANARY' ? 'roll it back' : 'only an ACTIVE one can be';
  const decision = move(target, 'DEPRECATED', ['ACTIVE'], 'deprecated', remedy);
  if (others(kind, target, 'ACTIVE').length > 0 || elsewhere.length > 0) return decision;
  const message = `revision ${target.revision} is the only ACTIVE one of ${kind.kind}`;
  throw refused('digest', target.digest, 'LAST_ACTIVE', message, 'activate another one first');
}

function retire(kind: KnownKind, target: KnownRevision, usage: Usage): RevisionDecision {
  const blocks = blocksRetirement(kind.kind, target, usage);
  if (blocks.length > 0) {
    const message = `revision ${target.revision} of ${kind.kind} cannot be retired: ${blocks.join('; ')}`;
    throw refused('digest', target.digest, 'STILL_NEEDED', message);
  }
  const { digest, state } = target;
  if (state !== 'DEPRECATED') return { changes: [{ digest, from: state, to: 'RETIRED' }] };
  return {
    changes: [
      { digest, from: state, to: 'DRAINED' },
      { digest, from: 'DRAINED', to: 'RETIRED' },
    ],
  };
}

function rollback(kind: KnownKind, target: KnownRevision, { elsewhere }: Usage): RevisionDecision {
  const decision = move(
    target,
    'ROLLED_BACK',
    ['CANARY', 'ACTIVE'],
    'rolled back',
    'retire it if nobody shall have it',
  );
  if (target.state === 'CANARY') return { ...decision, rollout: 'rolledBack' };
  if (others(kind, target, 'ACTIVE').length > 0) return decision;
  const [predecessor] = [...others(kind, target, 'DEPRECATED'), ...others(kind, target, 'DRAINED')];
  if (!predecessor && elsewhere.length > 0) return decision;
  if (!predecessor) {
    const message = `${kind.kind} has no revision to go back to from ${target.revision}`;
    throw refused('digest', target.digest, 'LAST_ACTIVE', message, 'activate another one first');
  }
  const back = { digest: predecessor.digest, from: predecessor.state, to: 'ACTIVE' } as const;
  return { changes: [...decision.changes, back] };
}

/** What would have to happen before a revision can be retired, each as a sentence; empty when it can, or is. */
export function blocksRetirement(kind: string, { state }: Pick<KnownRevision, 'state'>, need: Need): string[] {
  switch (state) {
    case 'ACTIVE':
      return ['it is ACTIVE; deprecate it first', ...needs(kind, need)];
    case 'CANARY':
      return ['it is in CANARY; roll it back first'];
    case 'DEPRECATED':
    case 'DRAINED':
    case 'ROLLED_BACK':
      return needs(kind, need);
    case 'DRAFT':
    case 'CHECKED':
    case 'RETIRED':
      return [];
    default:
      return state satisfies never;
  }
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

/** Who still needs it. */
function needs(kind: string, { pinned, onlyThis, waiting, builtIn }: Need): string[] {
  return [
    ...(pinned > 0 ? [`${count(pinned, 'task')} pinned to it; let them end`] : []),
    ...(onlyThis > 0
      ? [`${count(onlyThis, 'connected bot')} can speak no other revision of ${kind} that is in use, nor another major`]
      : []),
    ...(waiting > 0 && !builtIn ? [`${count(waiting, 'waiting task')} written in it; let them be done`] : []),
  ];
}

/** Newest first. */
const others = (kind: KnownKind, { digest }: KnownRevision, state: RevisionState): KnownRevision[] =>
  kind.revisions.filter((other) => other.digest !== digest && other.state === state).toReversed();

function move(
  { digest, revision, state }: KnownRevision,
  to: RevisionState,
  from: readonly RevisionState[],
  what: string,
  remedy: string,
): RevisionDecision {
  if (from.includes(state)) return { changes: [{ digest, from: state, to }] };
  throw refused('digest', digest, 'WRONG_STATE', `revision ${revision} is ${state} and cannot be ${what}`, remedy);
}

/** ABORTED: what the caller has seen is not so any more, and what has come since. */
export function moved({ kind, version }: MovedKind, basedOn: number, since: Since, remedy: string): MallError {
  const last = [...new Map(since.map((change) => [change.revision, change])).values()];
  const shown = last
    .slice(-maxSince)
    .map(({ revision, to, by }) => `revision ${revision} became ${to} by ${quoted(by)}`);
  const more = last.length > shown.length ? [`changes of ${last.length - shown.length} others`] : [];
  const what = shown.length > 0 ? `, since ${[...more, ...shown].join(', ')}` : '';
  return new MallError('ABORTED', `based_on is ${basedOn}, and ${kind} is at version ${version}${what}; ${remedy}`, {
    ...{ reason: 'KIND_MOVED', field: 'based_on', value: String(basedOn), remedy },
  });
}

import { notFound } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import type { Database, Transaction } from '../../database/port.ts';
import { isBuiltIn } from './built-in.ts';
import { majorsInForce } from './majors/translation-store.ts';
import { type Author, changeRevisions, changesSince, findRevision, lockKind } from './registry-store.ts';
import { decideRevision, type KnownKind, type RevisionCommand, type RevisionDecision } from './revision.ts';
import type { Ramp } from './rollout-record.ts';
import { beginRollout, endRollout, rolloutUnderWay, setShare } from './rollout-store.ts';
import { readUsageOf } from './usage-store.ts';

export interface Change extends Author {
  readonly digest: string;
  /** Version of the kind that whoever asks has seen. */
  readonly basedOn: number;
}

export type ChangeCommand =
  | Extract<RevisionCommand, { type: 'activate' | 'deprecate' | 'retire' | 'rollback' | 'drained' }>
  | (Extract<RevisionCommand, { type: 'canary' }> & { readonly ramp: Ramp });

export interface RegistryPorts {
  readonly database: Database;
  /** A kind has changed, durably. */
  readonly onChanged: () => void;
}

/**
 * A change of a revision, as `decideRevision` says, under the lock of its kind; answers with the kind.
 * @throws MallError NOT_FOUND, ABORTED when the kind has moved on, FAILED_PRECONDITION with what to do
 */
export async function changeRevision(
  { database, onChanged }: RegistryPorts,
  change: Change,
  command: ChangeCommand,
): Promise<string> {
  return database.transaction(async (tx) => {
    const row = await findRevision(tx.orm, change.digest);
    if (!row) throw unknownDigest(change.digest);
    const majors = await majorsInForce(tx.orm);
    // All of them, so that two majors are not deprecated at once; in the order of their names.
    const family = new Map<string, KnownKind>();
    for (const kind of majors.familyOf(row.kind).toSorted()) family.set(kind, (await lockKind(tx.orm, kind))!);
    const known = family.get(row.kind)!;
    const usage = await readUsageOf(tx.orm, majors, row);
    const since = change.basedOn < known.version ? await changesSince(tx.orm, row.kind, change.basedOn) : [];
    const decision = decideRevision(known, { ...change, since }, command, {
      ...usage,
      builtIn: isBuiltIn(change.digest),
      elsewhere: activeBeside([...family.values()], row.kind),
    });
    if (decision.changes.length > 0 || decision.rollout) {
      await write(tx, known, change, command, decision);
      tx.afterCommit(onChanged);
    }
    return row.kind;
  });
}

const activeBeside = (family: readonly Pick<KnownKind, 'kind' | 'revisions'>[], kind: string): string[] =>
  family
    .filter((other) => other.kind !== kind && other.revisions.some(({ state }) => state === 'ACTIVE'))
    .map((other) => other.kind);

async function write(
  { orm }: Transaction,
  { kind, version, revisions }: KnownKind,
  { digest, by, reason }: Change,
  command: ChangeCommand,
  { changes, rollout }: RevisionDecision,
): Promise<void> {
  const at = new Date();
  const percent = command.type === 'canary' ? command.percent : undefined;
  const history = rollout === 'adjust' ? [{ digest, from: 'CANARY' as const, to: 'CANARY' as const }] : changes;
  await changeRevisions(
    orm,
    kind,
    version + 1,
    history.map((each) => (percent === undefined ? each : { ...each, percent })),
    { by, reason, at },
  );
  if (rollout === 'promoted') await endRollout(orm, kind, { outcome: 'PROMOTED', reason, at });
  if (rollout === 'rolledBack') await endRollout(orm, kind, { outcome: 'ROLLED_BACK', reason, at });
  if (command.type !== 'canary') return;
  const { ramp } = command;
  if (rollout === 'begin') {
    const inUse = revisions.filter(({ state }) => state === 'ACTIVE' || state === 'DEPRECATED').toReversed();
    const baseline = (inUse.find(({ state }) => state === 'ACTIVE') ?? inUse[0])?.digest ?? null;
    await beginRollout(orm, { rolloutId: newId(), kind, digest, baseline, percent: command.percent, ramp, at });
  }
  if (rollout === 'adjust') {
    const { progress } = (await rolloutUnderWay(orm, kind))!;
    await setShare(orm, kind, { percent: command.percent, progress: { ...progress, ramp }, at });
  }
}

const seeList = '`mallbots protocol list` shows what there is';
export const unknownDigest = (digest: string) => notFound('revision', 'digest', digest, seeList);
/** `name` as `shop@2`. */
export const unknownRevision = (name: string) => notFound('revision', 'revision', name, seeList);

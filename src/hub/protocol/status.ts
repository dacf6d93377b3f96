import { notFound } from '../../contract/errors.ts';
import type { Orm } from '../../database/port.ts';
import { RevisionStatus } from '../../gen/fleet/v1/fleet.ts';
import type { KindStatus, Status } from '../../gen/protocol/v1/protocol.ts';
import { isBuiltIn } from './built-in.ts';
import { majorsInForce, readUntranslated } from './majors/translation-store.ts';
import { listRevisions, type RevisionSummary, versionsOf } from './registry-store.ts';
import { blocksRetirement } from './revision.ts';
import { newestRollouts } from './rollout-store.ts';
import { type FleetUsage, readUsage, standingIn } from './usage-store.ts';
import { revisionView, rolloutView } from './views.ts';

/**
 * How the fleet is doing with each revision; of one kind where it is named.
 * @throws MallError NOT_FOUND for a kind that nobody has published
 */
export async function readStatus(orm: Orm, kind: string, at: Date): Promise<Status> {
  const versions = await versionsOf(orm);
  if (kind !== '' && !versions.has(kind)) throw unknownKind(kind);
  const revisions = await listRevisions(orm);
  const majors = await majorsInForce(orm);
  const usage = await readUsage(orm, majors);
  const rollouts = await newestRollouts(orm);
  const untranslated = await readUntranslated(orm);
  const byDigest = new Map(revisions.map((row) => [row.digest, row]));
  const kinds = [...versions]
    .filter(([name]) => kind === '' || name === kind)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, version]): KindStatus => {
      const rollout = rollouts.find((row) => row.kind === name);
      return {
        kind: name,
        version,
        connectedBots: usage.connected.get(name) ?? 0,
        revisions: revisions.filter((row) => row.kind === name).map((row) => standingView(row, usage)),
        rollout: rollout && rolloutView(rollout, byDigest),
        doneIn: majors.familyOf(name).filter((major) => major !== name),
        untranslated: untranslated.filter(
          ({ part, fromKind, intoKind }) => (part === 'task' ? fromKind : intoKind) === name,
        ),
      };
    });
  return { at, kinds };
}

function standingView(row: RevisionSummary, usage: FleetUsage): KindStatus['revisions'][number] {
  const standing = standingIn(usage, row.digest);
  return {
    revision: revisionView(row),
    bots: [...standing.statuses].map(([status, bots]) => ({ status: RevisionStatus[status], bots })),
    pinnedTasks: standing.pinned,
    waitingTasks: standing.waiting,
    rejections: standing.rejections.map(({ reason, bots }) => ({ reason, bots })),
    blocksRetirement: blocksRetirement(row.kind, row, { ...standing, builtIn: isBuiltIn(row.digest) }),
  };
}

export const unknownKind = (kind: string) =>
  notFound('kind', 'kind', kind, '`mallbots protocol list` shows what there is');

import { RevisionStatus } from '../gen/fleet/v1/fleet.ts';
import {
  type Change,
  GateVerdict,
  type Kind,
  type KindStatus,
  type Revision,
  type RevisionDetail,
  RevisionState,
  type Rollout,
  RolloutOutcome,
  type Status,
} from '../gen/protocol/v1/protocol.ts';
import { formatAge, writeLine, writeTable } from './output.ts';

/** The name of a value of an enum, as a person reads it. */
const nameIn = (names: Readonly<Record<string, unknown>>, value: number): string =>
  Object.keys(names).find((name) => names[name] === value) ?? String(value);
export const stateName = (state: RevisionState): string => nameIn(RevisionState, state);

/** For programs: what the tables name is named there too, not numbered. */
export const revisionJson = ({ state, ...revision }: Revision) => ({ ...revision, state: stateName(state) });

export const historyJson = (history: readonly Change[]) =>
  history.map(({ from, to, ...change }) => ({
    ...change,
    from: from === RevisionState.UNSPECIFIED ? null : stateName(from),
    to: stateName(to),
  }));

export const statusJson = ({ at, kinds }: Status) => ({
  at,
  kinds: kinds.map(({ revisions, rollout, ...kind }) => ({
    ...kind,
    revisions: revisions.map(({ revision, bots, ...standing }) => ({
      revision: revision && revisionJson(revision),
      bots: bots.map(({ status, bots }) => ({ status: nameIn(RevisionStatus, status), bots })),
      ...standing,
    })),
    rollout: rollout && {
      ...rollout,
      outcome: rollout.outcome === RolloutOutcome.UNSPECIFIED ? null : nameIn(RolloutOutcome, rollout.outcome),
      gates: rollout.gates.map((gate) => ({ ...gate, verdict: nameIn(GateVerdict, gate.verdict) })),
    },
  })),
});

/** Enough of a digest to name it by. */
export const shortDigest = (digest: string): string => digest.replace('sha256:', '').slice(0, 12);

export function writeKinds(kinds: readonly Kind[], now: Date): void {
  writeTable(
    ['kind', 'revision', 'state', 'digest', 'by', 'since'],
    kinds.flatMap(({ kind, revisions }) =>
      revisions.map(({ revision, state, digest, changedBy, changedAt }) => [
        kind,
        String(revision),
        stateName(state),
        shortDigest(digest),
        changedBy,
        changedAt ? formatAge(changedAt, now) : '',
      ]),
    ),
  );
}

export function writeRevision({ revision, sources, history, translations }: RevisionDetail, now: Date): void {
  if (!revision) return;
  const { kind, revision: number, digest, state, taskMessage, progressMessage, resultMessage } = revision;
  writeLine(`${kind} revision ${number}: ${stateName(state)}`);
  writeLine(digest);
  writeLine(`task ${taskMessage}, progress ${progressMessage}, result ${resultMessage}`);
  writeLine();
  writeTable(
    ['version', 'became', 'share', 'by', 'ago', 'why'],
    history.map(({ version, to, percent, by, at, reason }) => [
      String(version),
      stateName(to),
      percent > 0 ? `${percent} %` : '',
      by,
      at ? formatAge(at, now) : '',
      reason,
    ]),
  );
  for (const { older, newer, version, document, publishedBy } of translations) {
    writeLine(
      `\n// translation between ${older} and ${newer}, version ${version} by ${publishedBy}\n${document.trimEnd()}`,
    );
  }
  for (const { path, text } of sources) writeLine(`\n// ${path}\n${text.trimEnd()}`);
}

export function writeStatus({ kinds }: Status): void {
  for (const kind of kinds) writeKindStatus(kind);
}

function writeKindStatus({ kind, connectedBots, revisions, rollout, doneIn, untranslated }: KindStatus): void {
  const across = doneIn.length > 0 ? `; its tasks are done in ${doneIn.join(', ')} as well` : '';
  writeLine(`${kind}: ${connectedBots} connected bots${across}`);
  writeTable(
    ['revision', 'state', 'bots', 'tasks', 'waiting'],
    revisions.map(({ revision, bots, pinnedTasks, waitingTasks }) => [
      `${revision?.revision} ${shortDigest(revision?.digest ?? '')}`,
      stateName(revision?.state ?? RevisionState.UNSPECIFIED),
      bots.map(({ status, bots: count }) => `${count} ${nameIn(RevisionStatus, status).toLowerCase()}`).join(', '),
      String(pinnedTasks),
      String(waitingTasks),
    ]),
    // What bots say, in each of their four words.
    60,
  );
  for (const { revision, rejections, blocksRetirement } of revisions) {
    for (const { reason, bots } of rejections)
      writeLine(`revision ${revision?.revision} is rejected by ${bots}: ${reason}`);
    if (blocksRetirement.length > 0)
      writeLine(`revision ${revision?.revision} cannot be retired: ${blocksRetirement.join('; ')}`);
  }
  for (const { fromKind, intoKind, part, reason, taskId, count } of untranslated) {
    const what = part === 'task' ? 'waiting for bots of their own major' : `whose ${part} was refused and is kept`;
    writeLine(`${count} tasks ${what}, from ${fromKind} into ${intoKind}: ${reason} (${taskId})`);
  }
  if (rollout) writeRollout(rollout);
  writeLine();
}

function writeRollout({ revision, percent, nextPercents, hold, outcome, reason, waitsFor, gates }: Rollout): void {
  const isOver = outcome !== RolloutOutcome.UNSPECIFIED;
  const next = hold ? 'held there' : `then ${nextPercents.join(', ') || 'ACTIVE'}`;
  const how = isOver ? [nameIn(RolloutOutcome, outcome), reason].filter(Boolean).join(': ') : next;
  writeLine(`rollout of revision ${revision} at ${percent} %, ${how}`);
  if (!isOver && waitsFor.length > 0) writeLine(`waits for ${waitsFor.join(', ')}`);
  writeTable(
    ['gate', 'verdict', 'canary', 'control', 'p', 'level'],
    gates.map(
      ({
        name,
        verdict,
        canaryTotal,
        canaryBad,
        controlTotal,
        controlBad,
        canarySeconds,
        controlSeconds,
        pValue,
        level,
      }) => [
        name,
        nameIn(GateVerdict, verdict),
        canarySeconds > 0 ? `${canarySeconds.toFixed(1)} s of ${canaryTotal}` : `${canaryBad} of ${canaryTotal}`,
        controlSeconds > 0 ? `${controlSeconds.toFixed(1)} s of ${controlTotal}` : `${controlBad} of ${controlTotal}`,
        pValue.toPrecision(2),
        level.toPrecision(2),
      ],
    ),
  );
}

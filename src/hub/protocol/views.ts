import {
  type Change,
  type Gate,
  GateVerdict,
  type Kind,
  type Revision,
  RevisionState,
  type Rollout,
  RolloutOutcome,
  type Translation,
  type Violation as ViolationView,
} from '../../gen/protocol/v1/protocol.ts';
import { isBuiltIn } from './built-in.ts';
import type { Violation } from './check/violation.ts';
import type { TranslationRow } from './majors/translation-store.ts';
import type { ChangeRow, RevisionSummary } from './registry-store.ts';
import { gateRules, observed } from './rollout.ts';
import { type ArmFigures, type GateName, gateNames, type RolloutProgress } from './rollout-record.ts';
import type { RolloutRow } from './rollout-store.ts';

export const revisionView = (row: RevisionSummary): Revision => ({
  kind: row.kind,
  revision: row.revision,
  digest: row.digest,
  state: RevisionState[row.state],
  taskMessage: row.taskMessage,
  progressMessage: row.progressMessage,
  resultMessage: row.resultMessage,
  publishedAt: row.publishedAt,
  publishedBy: row.publishedBy,
  changedAt: row.changedAt,
  changedBy: row.changedBy,
  reason: row.reason,
  builtIn: isBuiltIn(row.digest),
  descriptorBytes: row.descriptorBytes,
});

export const changeView = ({ version, from, to, percent, at, by, reason }: ChangeRow): Change => ({
  version,
  from: from === null ? RevisionState.UNSPECIFIED : RevisionState[from],
  to: RevisionState[to],
  percent: percent ?? 0,
  at,
  by,
  reason,
});

export const violationView = (violation: Violation): ViolationView => ({
  rule: violation.rule,
  file: violation.file,
  line: violation.line ?? 0,
  column: violation.column ?? 0,
  message: violation.message,
  field: violation.field,
  what: violation.what,
  breaks: violation.breaks,
  why: violation.why,
  instead: violation.instead,
  against: [...violation.against],
  buf: [...violation.buf],
});

/** `revisions`: all that there are, by digest. */
export function rolloutView(row: RolloutRow, revisions: ReadonlyMap<string, RevisionSummary>): Rollout {
  const { rolloutId, digest, baseline, percent, progress, beganAt, stepBeganAt, outcome, decidedAt, reason } = row;
  return {
    rolloutId,
    digest,
    revision: revisions.get(digest)?.revision ?? 0,
    baselineDigest: baseline ?? '',
    baselineRevision: revisions.get(baseline ?? '')?.revision ?? 0,
    percent,
    nextPercents: [...progress.ramp.percents],
    hold: progress.ramp.hold,
    beganAt,
    stepBeganAt,
    gates: gateNames.map((name) => gateView(name, progress)),
    waitsFor: [...progress.waitsFor],
    outcome: outcome === null ? RolloutOutcome.UNSPECIFIED : RolloutOutcome[outcome],
    decidedAt: decidedAt ?? undefined,
    reason,
  };
}

function gateView(name: GateName, { gates, figures }: RolloutProgress): Gate {
  const gate = gates[name];
  const seen = figures && observed(name, figures);
  const seconds = (arm: ArmFigures | undefined) => (name === 'task_duration' && arm?.timed ? Math.exp(arm.logMean) : 0);
  return {
    name,
    verdict: GateVerdict[gate?.failed ? 'FAILED' : gate && gate.looks > 0 ? 'PASSED' : 'WAITING'],
    canaryTotal: seen?.total ?? 0,
    canaryBad: seen?.bad ?? 0,
    controlTotal: seen?.control.total ?? 0,
    controlBad: seen?.control.bad ?? 0,
    canarySeconds: seconds(figures?.canary),
    controlSeconds: seconds(figures?.control),
    pValue: gate?.pValue ?? 1,
    level: gate?.level ?? 0,
    rule: gateRules[name],
  };
}

/** Those that begin or end at the kind. */
export const translationViews = (rows: readonly TranslationRow[], kind: string): Translation[] =>
  rows.filter(({ newer, older }) => newer === kind || older === kind);

/** The kinds with their revisions, in the order of their names. */
export function kindViews(
  versions: ReadonlyMap<string, number>,
  revisions: readonly RevisionSummary[],
  rollouts: readonly RolloutRow[],
  translations: readonly TranslationRow[],
): Kind[] {
  const byDigest = new Map(revisions.map((row) => [row.digest, row]));
  return [...versions]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, version]) => {
      const rollout = rollouts.find((row) => row.kind === kind);
      return {
        kind,
        version,
        revisions: revisions.filter((row) => row.kind === kind).map(revisionView),
        rollout: rollout && rolloutView(rollout, byDigest),
        translations: translationViews(translations, kind),
      };
    });
}

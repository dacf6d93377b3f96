import {
  type ArmFigures,
  type GateName,
  type GateRecord,
  gateNames,
  type RolloutFigures,
  type RolloutProgress,
} from './rollout-record.ts';
import { binomialTail, fisherTail, welchTail } from './statistics.ts';

/**
 * The chance that a gate rolls a revision back that is no worse, over the whole of a rollout: an operator looks at a false alarm in a hundred, and what
 * is really broken is far beyond it.
 */
export const falseAlarms = 0.01;
/** Bots that may reject a revision without anybody's fault: some are always older than the rest. */
export const toleratedRejections = 0.01;
/** Where there is no control group to compare with: reports that cannot be read should not be, attempts that fail are everyday. */
export const toleratedUndecodable = 0.001;
export const toleratedFailures = 0.05;
/** How much longer a task may take: less than that nobody would take back a field for. */
export const toleratedSlowdown = 1.25;
/** Observations of the control group below which it says nothing, and what is tolerated is the measure. */
export const minControl = 20;
/**
 * How long a step waits for bots of its share that say nothing of the revision: one that is connected answers within seconds, and one that has never heard of
 * revisions not at all. ms
 */
export const answerPatienceMs = 30_000;
/** Observations of the canary at the first look: with fewer, not even the worst could be told from chance. */
const firstLookAt: Readonly<Record<GateName, number>> = {
  rejections: 2,
  decode_failures: 20,
  task_failures: 5,
  task_duration: 10,
};

/** For people, beside the numbers. */
export const gateRules: Readonly<Record<GateName, string>> = {
  rejections: `exact binomial test: more than ${toleratedRejections * 100} % of the share reject it`,
  decode_failures: "Fisher's exact test: more reports cannot be decoded than of the control group",
  task_failures: "Fisher's exact test: more attempts fail or are lost than of the control group",
  task_duration: `Welch's t-test on the logarithms: succeeded attempts take more than ${toleratedSlowdown} times as long as those of the control group`,
};

export interface RolloutStep {
  readonly percent: number;
  readonly stepBeganAt: Date;
  readonly progress: RolloutProgress;
}

export type RolloutVerdict = { readonly progress: RolloutProgress } & (
  | { readonly type: 'stay' }
  | { readonly type: 'ramp'; readonly percent: number }
  | { readonly type: 'promote' }
  | { readonly type: 'rollBack'; readonly reason: string }
);

/**
 * What becomes of a rollout, given what was observed since it began.
 *
 * A gate fails when chance alone would bring what was observed with a probability below its level. It is looked at when it has twice as many
 * observations as at any look before (rejections: or twice as many bots that reject), and once at the end of each step, and each look has half the level of
 * the one before, so that all looks together raise a false alarm no more often than one at `falseAlarms`. A step ends when it has lasted, its bots have
 * answered, and it has seen the attempts that it needs; one that no connected bot of the share could try, since none is in it or all have rejected, teaches
 * nothing and ends when it has lasted. Then comes the next share, and after the last the revision is promoted, unless it is held. A failed gate rolls it
 * back at once.
 */
export function decideRollout(
  { percent, stepBeganAt, progress }: RolloutStep,
  figures: RolloutFigures,
  now: Date,
): RolloutVerdict {
  const { ramp, attemptsBefore } = progress;
  const leftMs = stepBeganAt.getTime() + ramp.stepMs - now.getTime();
  const missing =
    figures.members <= figures.rejected && percent < 100
      ? 0
      : ramp.minAttempts - (figures.canary.attempts - attemptsBefore);
  const isPatient = now.getTime() - stepBeganAt.getTime() < answerPatienceMs;
  const silent = isPatient ? figures.members - figures.answered : 0;
  const isOver = leftMs <= 0 && silent <= 0 && missing <= 0;
  const step = stepBeganAt.getTime();
  // Once: who holds a rollout, or cannot promote it, would use the levels of its gates up.
  const isEnd = isOver && progress.endedStep !== step;
  const gates = { ...progress.gates };
  for (const name of gateNames) gates[name] = look(name, gates[name] ?? unlooked(name), figures, isEnd);
  const failed = gateNames.find((name) => gates[name]?.failed);
  const waitsFor = [
    ...(leftMs > 0 ? [`${Math.ceil(leftMs / 1_000)} more seconds of this step`] : []),
    ...(silent > 0 ? [`the answers of ${silent} more bots of the share`] : []),
    ...(missing > 0 ? [`${missing} more ended attempts of the canary`] : []),
    ...(isOver && ramp.hold ? ['an operator, who holds it'] : []),
  ];
  const looked = { ...progress, gates, figures, waitsFor, ...(isEnd && { endedStep: step }) };
  if (failed) return { type: 'rollBack', reason: explain(failed, figures, gates[failed]!), progress: looked };
  if (!isOver || ramp.hold) return { type: 'stay', progress: looked };
  const [next] = ramp.percents;
  if (next === undefined) return { type: 'promote', progress: looked };
  return { type: 'ramp', percent: next, progress: { ...looked, attemptsBefore: figures.canary.attempts } };
}

const unlooked = (name: GateName): GateRecord => ({
  looks: 0,
  nextAt: firstLookAt[name],
  pValue: 1,
  level: 0,
  failed: false,
  bad: 0,
});

function look(name: GateName, gate: GateRecord, figures: RolloutFigures, isEnd: boolean): GateRecord {
  const { total, bad } = observed(name, figures);
  // Of bots as they are now, who change their minds: more of them reject it without there being more of them.
  const isSnapshot = name === 'rejections';
  const isDoubled = total >= gate.nextAt || (isSnapshot && bad >= Math.max(1, (gate.bad ?? 0) * 2));
  const isNew = gate.looks === 0 || total > gate.nextAt / 2 || isSnapshot;
  const isDue = total >= firstLookAt[name] && (isDoubled || (isEnd && isNew));
  if (gate.failed || !isDue) return gate;
  const pValue = chance(name, figures);
  // There is nothing to compare with yet.
  if (pValue === undefined) return gate;
  const level = falseAlarms / 2 ** (gate.looks + 1);
  // The most of all looks: bots that leave and come back bring no new ones.
  const nextAt = Math.max(gate.nextAt, total * 2);
  return { looks: gate.looks + 1, nextAt, pValue, level, failed: pValue < level, bad: Math.max(gate.bad ?? 0, bad) };
}

/** What a gate counts, of the canary and of the control group. */
export function observed(name: GateName, { answered, rejected, canary, control }: RolloutFigures) {
  const both = (total: (arm: ArmFigures) => number, bad: (arm: ArmFigures) => number) => ({
    total: total(canary),
    bad: bad(canary),
    control: { total: total(control), bad: bad(control) },
  });
  switch (name) {
    case 'rejections':
      return { total: answered, bad: rejected, control: { total: 0, bad: 0 } };
    case 'decode_failures':
      return both(
        ({ reports }) => reports,
        ({ undecodable }) => undecodable,
      );
    case 'task_failures':
      return both(
        ({ attempts }) => attempts,
        ({ failures }) => failures,
      );
    case 'task_duration':
      return both(
        ({ timed }) => timed,
        () => 0,
      );
    default:
      return name satisfies never;
  }
}

/** The probability that chance brings this or worse; undefined where there is nothing to compare with. */
function chance(name: GateName, figures: RolloutFigures): number | undefined {
  const { total, bad, control } = observed(name, figures);
  const against = (tolerated: number) =>
    control.total >= minControl ? fisherTail({ bad, total }, control) : binomialTail(bad, total, tolerated);
  switch (name) {
    case 'rejections':
      return binomialTail(bad, total, toleratedRejections);
    case 'decode_failures':
      return against(toleratedUndecodable);
    case 'task_failures':
      return against(toleratedFailures);
    case 'task_duration': {
      const sample = ({ timed, logMean, logVariance }: ArmFigures) => ({
        count: timed,
        mean: logMean,
        variance: logVariance,
      });
      if (control.total < firstLookAt.task_duration) return undefined;
      return welchTail(sample(figures.canary), sample(figures.control), Math.log(toleratedSlowdown));
    }
    default:
      return name satisfies never;
  }
}

function explain(name: GateName, figures: RolloutFigures, { pValue, level }: GateRecord): string {
  const { total, bad, control } = observed(name, figures);
  const numbers =
    name === 'task_duration'
      ? `${Math.exp(figures.canary.logMean).toFixed(1)} s against ${Math.exp(figures.control.logMean).toFixed(1)} s`
      : `${bad} of ${total}${control.total > 0 ? ` against ${control.bad} of ${control.total}` : ''}`;
  return `gate ${name}: ${numbers} (p ${pValue.toPrecision(2)}, level ${level.toPrecision(2)})`;
}

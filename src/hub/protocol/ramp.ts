import { invalid } from '../../contract/errors.ts';
import type { Ramp as RampView } from '../../gen/protocol/v1/protocol.ts';
import type { Ramp } from './rollout-record.ts';

/** Shares of the fleet, percent: each step shows at most a few times more bots to what the one before has not found. */
const defaultPercents = [1, 5, 10, 25, 50, 100];
/** A shopping tour takes minutes: what a step brings to light needs that long to show. ms */
const defaultStepMs = 5 * 60_000;
/** Ended attempts of a step: with fewer, one failure in three could be missed every third time. */
const defaultMinAttempts = 10;
const maxStepMs = 7 * 24 * 3_600_000;
const maxMinAttempts = 100_000;

/**
 * The ramp that comes after a first share.
 * @throws MallError INVALID_ARGUMENT naming the field
 */
export function rampOf(percent: number, hold: boolean, given: RampView | undefined): Ramp {
  const { percents = [], step, minAttempts = 0 } = given ?? {};
  const shares = percents.length > 0 ? percents : defaultPercents.filter((share) => share > percent);
  shares.forEach((share, index) => {
    const before = index === 0 ? percent : shares[index - 1]!;
    if (share <= before || share > 100) {
      throw invalid('ramp.percents', shares.join(), 'NOT_RISING', `give shares above ${percent} that rise to 100`);
    }
  });
  if (percent < 100 && shares.at(-1) !== 100) {
    throw invalid('ramp.percents', shares.join(), 'NOT_TO_THE_END', 'the last one is 100');
  }
  const stepMs = step ? step.seconds * 1_000 + step.nanos / 1_000_000 : defaultStepMs;
  if (!(stepMs >= 0 && stepMs <= maxStepMs))
    throw invalid('ramp.step', `${stepMs} ms`, 'OUT_OF_RANGE', 'give up to a week');
  if (minAttempts > maxMinAttempts) {
    throw invalid('ramp.min_attempts', minAttempts, 'OUT_OF_RANGE', `give at most ${maxMinAttempts}`);
  }
  return { percents: shares, stepMs, minAttempts: minAttempts || defaultMinAttempts, hold };
}

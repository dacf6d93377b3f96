import { invalid } from '../../contract/errors.ts';
import type { GetStatsRequest } from '../../gen/analytics/v1/analytics.ts';
import type { Period } from './store.ts';

/** @throws MallError INVALID_ARGUMENT naming the field */
export function periodOf({ since, until }: GetStatsRequest): Period {
  for (const [field, value] of [
    ['since', since],
    ['until', until],
  ] as const) {
    if (value && Number.isNaN(value.getTime())) throw invalid(field, value, 'TIME_INVALID', 'give an instant');
  }
  if (since && until && since >= until) {
    throw invalid('until', until.toISOString(), 'PERIOD_EMPTY', `give an instant after since, ${since.toISOString()}`);
  }
  return { since, until };
}

import type { KindTranslator } from './kind.ts';
import { event } from './report-fields.ts';

/** Kinds that the mall has no words for: what bots say goes on as it came, and is decoded by whoever reads it. */
export const passOn: KindTranslator = {
  progress: (_, reported) => {
    const { task, original } = reported;
    return event('bots.task_progressed', reported, { task, original });
  },
  result: () => (reported) => {
    const { task, original } = reported;
    return event('bots.task_succeeded', reported, { task, original, lines: [] });
  },
};

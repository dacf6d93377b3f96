import type { Accept, Schema } from '../sdk/index.ts';
import type { FaultOptions } from './faults.ts';
import { draw } from './random.ts';

/** What a robot that is told to reject revisions says to each; whether it is one of those is the same in every run with one seed. */
export const vetoOf =
  (seed: number, faults: FaultOptions, botId: string): Accept =>
  (revision) => {
    const wanted = !isRejected(faults, revision) || draw(seed, 'reject', botId) >= faults.rejectShare;
    return wanted || `this robot is told to reject ${nameOf(revision)}`;
  };

const nameOf = ({ kind, revision }: Schema): string => `${kind}@${revision}`;

const isRejected = ({ rejectKinds, rejectRevisions }: FaultOptions, schema: Schema): boolean =>
  rejectKinds.includes(schema.kind) ||
  rejectRevisions.includes(nameOf(schema)) ||
  rejectRevisions.includes(schema.digest);

import { type Accept, returnKind, type Schema, shopKind } from '../sdk/index.ts';
import type { FaultOptions } from './faults.ts';
import { draw } from './random.ts';

/**
 * What a robot says to each revision: no to other majors of the kinds that it was made for, since it would walk and pick nothing, and to those that it is
 * told to reject; whether it is one of the robots that do is the same in every run with one seed.
 */
export const vetoOf =
  (seed: number, faults: FaultOptions, botId: string): Accept =>
  (revision) => {
    if (anotherMajor.test(revision.kind)) return `this robot was not made for ${revision.kind}`;
    const wanted = !isRejected(faults, revision) || draw(seed, 'reject', botId) >= faults.rejectShare;
    return wanted || `this robot is told to reject ${nameOf(revision)}`;
  };

const anotherMajor = new RegExp(`^(${shopKind.kind}|${returnKind.kind})\\.v\\d+$`);

const nameOf = ({ kind, revision }: Schema): string => `${kind}@${revision}`;

const isRejected = ({ rejectKinds, rejectRevisions }: FaultOptions, schema: Schema): boolean =>
  rejectKinds.includes(schema.kind) ||
  rejectRevisions.includes(nameOf(schema)) ||
  rejectRevisions.includes(schema.digest);

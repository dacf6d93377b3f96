import type { kinds } from '../../gen/kinds.ts';
import { majorOf } from '../protocol/majors/document.ts';

/**
 * What becomes of a kind's task, and of its bot, when they lose sight of each other.
 *
 * | | continue | stop |
 * |---|---|---|
 * | hold | the usual: a cut connection costs nothing | no robot works unseen, and its task waits for what it says of that |
 * | reassign | another bot begins while the first may go on: for what is harmless to do twice and must not wait | two robots never work at it at once |
 */
export interface KindPolicy {
  /** What the bot does once its lease has run out by its own clock, which is never later than the hub says so. */
  readonly whileCutOff: 'continue' | 'stop';
  /** Whether the task waits for its bot after the lease, for so many times the lease, or is another bot's at once. */
  readonly onLeaseLoss: { readonly holdLeases: number } | 'reassign';
  /**
   * Whose work counts when the bot is back after all that, while its task waits for another: the next attempt's, or what this bot has done
   * already; it gets the task back then.
   */
  readonly wins: 'newest' | 'first';
  /** Whoever has once had the task has what it is about: nobody else is offered it then. */
  readonly bindsBot?: boolean;
}

export type KindPolicies = Readonly<Record<string, KindPolicy>>;
export type PolicyOf = (kind: string) => KindPolicy;

/** Every kind's, with the reason. */
export const kindPolicies = {
  /**
   * The robot holds goods that another one would have to pick again, so it is waited for, and it picks on without the hub. Once the loss is
   * told, the goods count as on their way back to the shelves: the next attempt picks its own, and the first must not count as well.
   */
  shop: { whileCutOff: 'continue', onLeaseLoss: { holdLeases: 1 }, wins: 'newest' },
  /**
   * Any robot may collect goods at the depot; once one has, nobody else has them, so nobody else can do it. What is on the shelf stays there whatever
   * becomes of the attempt, and is counted once however often it is reported: a robot that comes back late goes on instead of walking the same way again.
   */
  return: { whileCutOff: 'continue', onLeaseLoss: { holdLeases: 1 }, wins: 'first', bindsBot: true },
} as const satisfies Readonly<Record<keyof typeof kinds, KindPolicy>>;

/** Of kinds that say nothing: a cut connection is more often mended than a robot is lost, and to begin again costs more than to wait. */
const defaultPolicy: KindPolicy = { whileCutOff: 'continue', onLeaseLoss: { holdLeases: 1 }, wins: 'newest' };

/** A major that the table does not name is the same work as its kind: whoever has a thing has it, whatever language it was told in. */
export const policiesOf = (table: KindPolicies): PolicyOf => {
  const of = (kind: string) => (Object.hasOwn(table, kind) ? table[kind] : undefined);
  return (kind) => of(kind) ?? of(majorOf(kind).family) ?? defaultPolicy;
};

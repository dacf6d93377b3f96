import type { kinds } from '../../gen/kinds.ts';

/** What becomes of a kind's task, and of its bot, when they lose sight of each other. */
export interface KindPolicy {
  /** What the bot does once its lease has run out by its own clock. */
  readonly whileCutOff: 'continue' | 'stop';
  /** Whether the task waits for its bot after the lease, for so many times the lease, or is another bot's at once. */
  readonly onLeaseLoss: { readonly holdLeases: number } | 'reassign';
  /**
   * Whose work counts when the bot is back after all that, while its task waits for another: the next attempt's, or what this bot has done
   * already; it gets the task back then.
   */
  readonly wins: 'newest' | 'first';
}

/** Of kinds that say nothing: a cut connection is more often mended than a robot is lost, and to begin again costs more than to wait. */
const defaultPolicy: KindPolicy = { whileCutOff: 'continue', onLeaseLoss: { holdLeases: 1 }, wins: 'newest' };

const policies: Readonly<Partial<Record<keyof typeof kinds, KindPolicy>>> = {
  /**
   * The robot holds goods that another one would have to pick again, so it is waited for, and it picks on without the hub. Once the loss is
   * told, the goods count as on their way back to the shelves: the next attempt picks its own, and the first must not count as well.
   */
  shop: { whileCutOff: 'continue', onLeaseLoss: { holdLeases: 1 }, wins: 'newest' },
};

export function policyOf(kind: string): KindPolicy {
  return (Object.hasOwn(policies, kind) && policies[kind as keyof typeof policies]) || defaultPolicy;
}

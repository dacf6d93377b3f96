/** In the order of a revision's life; see `decideRevision`. */
export const revisionStates = [
  'DRAFT',
  'CHECKED',
  'CANARY',
  'ACTIVE',
  'DEPRECATED',
  'DRAINED',
  'RETIRED',
  'ROLLED_BACK',
] as const;
export type RevisionState = (typeof revisionStates)[number];

/** How far a bot is with a revision, as it said last. */
export const botStatuses = ['RECEIVED', 'VALIDATED', 'APPLIED', 'REJECTED'] as const;
export type BotStatus = (typeof botStatuses)[number];
/** What the tables say of a bot and a revision: what it said last, unless it was told to forget the revision since. */
export const botWords = [...botStatuses, 'FORGOTTEN'] as const;
export type BotWord = (typeof botWords)[number];

export const rolloutOutcomes = ['PROMOTED', 'ROLLED_BACK'] as const;
export type RolloutOutcome = (typeof rolloutOutcomes)[number];

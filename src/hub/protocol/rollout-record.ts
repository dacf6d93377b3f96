/** Bots of the share that tries a revision, and those that it is compared with. */
export const arms = ['canary', 'control'] as const;
export type Arm = (typeof arms)[number];

/** `lost`: the attempt ended without a word of its bot. */
export const attemptOutcomes = ['succeeded', 'failed', 'lost'] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

export const gateNames = ['rejections', 'decode_failures', 'task_failures', 'task_duration'] as const;
export type GateName = (typeof gateNames)[number];

/** The ramp after the share that it is at. */
export interface Ramp {
  /** Shares that come, in percent, rising. */
  readonly percents: readonly number[];
  /** The least that a step takes. */
  readonly stepMs: number;
  /** Ended attempts that a step needs at least. */
  readonly minAttempts: number;
  /** Nothing is promoted by itself. */
  readonly hold: boolean;
}

/** What a gate has come to. */
export interface GateRecord {
  /** How often its numbers were judged: each look is at twice as many observations as the one before, and has half of its level. */
  readonly looks: number;
  /** Observations of the canary that the next look needs. */
  readonly nextAt: number;
  /** Of the last look. */
  readonly pValue: number;
  readonly level: number;
  readonly failed: boolean;
  /** Bad ones of the canary, the most of all looks. Records of before this was kept lack it. */
  readonly bad?: number;
}

/** Everything of a rollout that changes while it is under way, beside its share. */
export interface RolloutProgress {
  readonly ramp: Ramp;
  readonly gates: Readonly<Partial<Record<GateName, GateRecord>>>;
  /** Attempts of the canary that had ended when this step began. */
  readonly attemptsBefore: number;
  /** The step that the gates were looked at the end of, by when it began, ms since 1970; it can last on, when an operator holds it. */
  readonly endedStep?: number;
  /** The numbers as they were last looked at, kept after the decision. */
  readonly figures?: RolloutFigures;
  /** What the ramp waits for, in words. */
  readonly waitsFor: readonly string[];
}

/** Observations of one arm. */
export interface ArmFigures {
  readonly reports: number;
  readonly undecodable: number;
  readonly attempts: number;
  /** Failed or lost. */
  readonly failures: number;
  /** Of succeeded attempts: how many, and mean and variance of the natural logarithm of their seconds. */
  readonly timed: number;
  readonly logMean: number;
  readonly logVariance: number;
}

export interface RolloutFigures {
  /** Connected bots of the share. */
  readonly members: number;
  /** Bots of the share that have applied or rejected the revision. */
  readonly answered: number;
  readonly rejected: number;
  readonly canary: ArmFigures;
  readonly control: ArmFigures;
}

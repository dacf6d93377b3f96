import type { Position, SchemaRef } from '../gen/fleet/v1/fleet.ts';

/** What was asked for; never changes. */
export interface TaskSpec {
  readonly taskId: string;
  readonly orderId: string;
  readonly schema: SchemaRef;
  readonly payload: Uint8Array;
  readonly priority: number;
  /** Nobody is offered the task from then on. */
  readonly deadline: Date | undefined;
  readonly maxAttempts: number;
  readonly position: Position | undefined;
  readonly traceparent: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly createdAt: Date;
}

export type Phase =
  | { readonly state: 'QUEUED'; readonly notBefore: Date }
  | { readonly state: 'OFFERED'; readonly botId: string; readonly heldUntil: Date }
  | { readonly state: 'LEASED' | 'RUNNING'; readonly botId: string; readonly heldUntil: Date }
  /** The lease ran out, and its bot may still come back: `running` when it had begun. */
  | { readonly state: 'SUSPECT'; readonly botId: string; readonly heldUntil: Date; readonly running: boolean }
  /** The bot is told to stop; `running` when it said that it cannot, and its result follows. */
  | {
      readonly state: 'CANCELLING';
      readonly botId: string;
      readonly heldUntil: Date;
      readonly running: boolean;
      readonly reason: string;
    }
  | { readonly state: 'SUCCEEDED'; readonly botId: string; readonly finishedAt: Date }
  | {
      readonly state: 'FAILED' | 'CANCELLED' | 'POISON';
      readonly botId: string;
      readonly finishedAt: Date;
      readonly reason: string;
    };

export interface Task extends TaskSpec {
  /** The only bot that may have it; empty for any. Where the kind binds its task, that is whoever was the first to lease it. */
  readonly onlyBotId: string;
  /** From 1; how often it may still be lost or fail is `maxAttempts` less this. */
  readonly attempt: number;
  /** Grows at each assignment and at each loss. */
  readonly fence: number;
  /** Whose attempt was lost before this one, and may be taken up again while nobody else has begun. */
  readonly lost: { readonly botId: string; readonly fence: number; readonly pinned: SchemaRef | undefined } | undefined;
  /**
   * The revision that the task is done and reported in, from its offer on; undefined while it waits. `schema` is the one that its payload is written
   * in, and both can read each other.
   */
  readonly pinned: SchemaRef | undefined;
  /** When `stageOf` its phase became what it is. */
  readonly since: Date;
  readonly phase: Phase;
  /** Of the row, where it is known: who writes it while it is the same need not read the row before. */
  readonly version?: string;
}

/** What is said of the task is said in this. Tasks that were offered before there were pins are pinned to what their payload is written in. */
export const languageOf = ({ pinned, schema }: Pick<Task, 'pinned' | 'schema'>): SchemaRef => pinned ?? schema;

/**
 * What a task is about, for who asks how long it has been so: an offer that nobody takes is still waiting, and a bot that starts, or is missed for a
 * moment, still has it.
 */
export function stageOf({ state }: Phase): 'waiting' | 'held' | 'stopping' | 'over' {
  switch (state) {
    case 'QUEUED':
    case 'OFFERED':
      return 'waiting';
    case 'LEASED':
    case 'RUNNING':
    case 'SUSPECT':
      return 'held';
    case 'CANCELLING':
      return 'stopping';
    case 'SUCCEEDED':
    case 'FAILED':
    case 'CANCELLED':
    case 'POISON':
      return 'over';
    default:
      return state satisfies never;
  }
}

export type Held = Extract<Phase, { state: 'LEASED' | 'RUNNING' | 'SUSPECT' | 'CANCELLING' }>;

export const isHeld = (phase: Phase): phase is Held =>
  phase.state === 'LEASED' || phase.state === 'RUNNING' || phase.state === 'SUSPECT' || phase.state === 'CANCELLING';

export const hasBegun = (phase: Held): boolean =>
  phase.state === 'RUNNING' || (phase.state === 'SUSPECT' && phase.running);

export const isHeldBy = ({ phase }: Task, botId: string) =>
  (isHeld(phase) || phase.state === 'OFFERED') && phase.botId === botId;

export const isDue = ({ phase }: Task, now: Date) => 'heldUntil' in phase && phase.heldUntil <= now;

export const isOverdue = ({ deadline }: Task, now: Date) => deadline !== undefined && deadline <= now;

export const later = (now: Date, ms: number) => new Date(now.getTime() + ms);

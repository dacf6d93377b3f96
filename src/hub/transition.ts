import type { TaskInput } from './task.ts';
import type { Phase } from './task-phase.ts';
import { type FinalState, finalStates, heldStates } from './task-states.ts';

type State = Phase['state'];

/** What a change of a task means to who counts. */
export interface TransitionFigures {
  /** How an offer has ended. */
  readonly offer?: 'accepted' | 'declined' | 'expired' | 'withdrawn';
  /** A lease begins, and with it an attempt. */
  readonly isGranted?: boolean;
  /** Why a lease has ended without a result. */
  readonly lost?: TaskInput['type'];
  /** Why a task that a bot had is in the queue again. */
  readonly requeued?: TaskInput['type'];
  readonly outcome?: FinalState;
}

const isFinal = (state: State): state is FinalState => (finalStates as readonly State[]).includes(state);
const isHeld = (state: State): boolean => (heldStates as readonly State[]).includes(state);

/**
 * | from           | to                    | counts                                             |
 * |----------------|-----------------------|----------------------------------------------------|
 * | OFFERED        | a lease               | the offer as accepted, a lease                     |
 * | OFFERED        | anything else         | the offer as declined, expired or withdrawn        |
 * | a lease        | SUSPECT, QUEUED, POISON | the lease as lost, unless the bot reported that  |
 * | held           | QUEUED                | a requeue                                          |
 * | anything else  | SUCCEEDED, FAILED ... | the end of the task                                |
 */
export function readTransition(from: State, input: TaskInput['type'], to: State): TransitionFigures {
  const isLeased = from === 'LEASED' || from === 'RUNNING' || from === 'CANCELLING';
  const isOfferOver = from === 'OFFERED' && to !== 'OFFERED';
  const isGranted = isOfferOver && isHeld(to);
  const isReported = input === 'failed' || input === 'succeeded';
  return {
    ...(isOfferOver && { offer: isGranted ? 'accepted' : offerOutcome(input) }),
    ...(isGranted && { isGranted }),
    ...(isLeased && (to === 'SUSPECT' || to === 'QUEUED' || to === 'POISON') && !isReported && { lost: input }),
    ...(isHeld(from) && to === 'QUEUED' && { requeued: input }),
    ...(isFinal(to) && !isFinal(from) && { outcome: to }),
  };
}

function offerOutcome(input: TaskInput['type']): 'declined' | 'expired' | 'withdrawn' {
  return input === 'declined' || input === 'expired' ? input : 'withdrawn';
}

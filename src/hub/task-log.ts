import { context } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { contextOf } from '../telemetry/propagation.ts';
import type { Roster } from './roster.ts';
import type { TaskInput } from './task.ts';
import { taskAttributes } from './task-attributes.ts';
import type { Task } from './task-phase.ts';
import { readTransition } from './transition.ts';

export interface TaskLogPorts {
  readonly logger: Logger;
  readonly roster: Pick<Roster, 'findAny'>;
}

/**
 * A line for a change of a task that somebody may have to look at; bot, fence and attempt are those of the assignment that it ends.
 *
 * | change                                         | level | line            |
 * |------------------------------------------------|-------|-----------------|
 * | a lease that has run out, to SUSPECT           | info  | task is suspect |
 * | a lease, or its grace, to QUEUED or POISON without a word of the bot | warn | task lost |
 * | a task that waits, to POISON                   | warn  | task given up   |
 * | an offer that comes to nothing                 | debug | offer ended     |
 */
export function logTask({ logger, roster }: TaskLogPorts, before: Task, { type: why }: TaskInput, after: Task): void {
  const { phase: was, traceparent } = before;
  const { phase: is } = after;
  const { lost, offer, outcome } = readTransition(was.state, why, is.state);
  const isGraceOver = was.state === 'SUSPECT' && (is.state === 'QUEUED' || is.state === 'POISON') && why !== 'failed';
  const isLost = lost !== undefined || isGraceOver;
  const isOfferOver = offer !== undefined && offer !== 'accepted';
  if (!isLost && !isOfferOver && outcome !== 'POISON') return;
  const botId = 'botId' in was ? was.botId : '';
  const about = {
    ...taskAttributes(before, { botId, sessionId: roster.findAny(botId)?.bot.sessionId ?? '' }),
    was: was.state,
    is: is.state,
    why,
    ...('reason' in is && { reason: is.reason }),
  };
  context.with(contextOf(traceparent), () => {
    if (isLost && is.state === 'SUSPECT') logger.info(about, 'task is suspect');
    else if (isLost) logger.warn(about, 'task lost');
    else if (outcome === 'POISON') logger.warn(about, 'task given up');
    else logger.debug(about, 'offer ended');
  });
}

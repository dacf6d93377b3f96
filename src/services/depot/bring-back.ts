import { type Draft, draft } from '../../contract/message.ts';
import { ReturnTask } from '../../gen/kinds/return/v1/return.ts';
import { kinds } from '../../gen/kinds.ts';
import type { KnownStore, ListLine, Return, ReturnCommand } from './messages.ts';
import { depotPosition } from './route.ts';
import { requestTask, stopsOf, walkThrough } from './task-request.ts';

/** Before the bot takes another list: its basket is full of this one's goods. Lists have 0. */
const returnPriority = 1;

/**
 * How long the bot has. A robot boots again within a minute, charges up in ten and walks any mall in a few: one that has not come back after
 * this was carried off, and whoever did that has emptied its basket.
 */
export const returnWithinMs = 30 * 60_000;

/** An attempt at a list that came to nothing. */
export interface EndedAttempt {
  readonly orderId: string;
  readonly attempt: number;
  /** The id that its return task has or would have. */
  readonly returnTaskId: string;
  /** Who made it; empty when nobody knows. */
  readonly botId: string;
  /** What it had picked. */
  readonly carried: readonly ListLine[];
}

export interface ReturnDecision {
  /** Undefined: the bot has nothing to bring back. The very same object when nothing changed. */
  readonly bringBack: Return | undefined;
  readonly events: readonly Draft[];
}

/** The task for the bot that has the goods, to bring them back by a short walk; or that nothing will come back. */
export function planReturn(ended: EndedAttempt, known: ReadonlyMap<string, KnownStore>, now: Date): ReturnDecision {
  const { orderId, attempt, returnTaskId: taskId, botId, carried } = ended;
  if (carried.length === 0) {
    return { bringBack: undefined, events: [returnEnded({ orderId, taskId, lines: [], reason: '' })] };
  }
  const lines = carried.map(({ lineId, picked }) => ({ lineId, quantity: picked, returned: 0 }));
  const asked: Return = { taskId, orderId, attempt, botId, lines, state: 'requested', requestedAt: now, reason: '' };
  if (botId === '') return over(asked, 'lost', 'nobody knows which bot has the goods');

  const items = carried.map((line) => ({ ...line, quantity: line.picked }));
  const walk = walkThrough(
    items.map(({ storeId }) => storeId),
    known,
  );
  const payload: ReturnTask = { orderId, stops: stopsOf(walk, items), depot: depotPosition };
  const request = requestTask({
    taskId,
    orderId,
    schema: kinds.return,
    payload: ReturnTask.encode(payload).finish(),
    priority: returnPriority,
    position: walk.stores[0]!.position,
    deadline: new Date(now.getTime() + returnWithinMs),
    onlyBotId: botId,
  });
  return { bringBack: asked, events: [request] };
}

/**
 * What a bot's report makes of a return. A later attempt may report again what an earlier one did, so a line is never more than back.
 *
 * | state      | start     | count   | lose      | finish | fail |
 * |------------|-----------|---------|-----------|--------|------|
 * | requested  | under way | counted | same      | done   | lost |
 * | under way  | same      | counted | requested | done   | lost |
 * | done, lost | same      | same    | same      | same   | same |
 *
 * A line that it does not have changes nothing: no other message of the order waits because a robot babbles.
 */
export function decideReturn(bringBack: Return, command: ReturnCommand): ReturnDecision {
  if (bringBack.state === 'done' || bringBack.state === 'lost') return { bringBack, events: [] };
  switch (command.type) {
    case 'start':
      return { bringBack: { ...bringBack, state: 'under_way' }, events: [] };
    case 'count': {
      const lines = bringBack.lines.map((line) =>
        line.lineId === command.lineId
          ? { ...line, returned: Math.min(line.quantity, line.returned + command.quantity) }
          : line,
      );
      return { bringBack: { ...bringBack, lines }, events: [] };
    }
    case 'lose':
      return { bringBack: { ...bringBack, state: 'requested' }, events: [] };
    case 'finish':
      return over(bringBack, 'done', '');
    case 'fail':
      return over(bringBack, 'lost', command.reason);
    default:
      throw new Error(`no such command: ${JSON.stringify(command satisfies never)}`);
  }
}

function over(bringBack: Return, state: 'done' | 'lost', reason: string): ReturnDecision {
  return { bringBack: { ...bringBack, state, reason }, events: [returnEnded({ ...bringBack, reason })] };
}

const returnEnded = ({ orderId, taskId, lines, reason }: Pick<Return, 'orderId' | 'taskId' | 'lines' | 'reason'>) =>
  draft('depot.return_ended', orderId, { orderId, taskId, lines: [...lines], reason });

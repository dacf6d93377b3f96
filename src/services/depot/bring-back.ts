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

/**
 * How long the goods of a cancelled order may wait at the depot, on their shelf or on some bot, until they are back. They are not lost as long as they stand
 * there, so this is longer than a fleet is out of order unnoticed; but whichever bot has collected them may be carried off, and its bay must not wait
 * for ever.
 */
export const returnFromDepotWithinMs = 4 * 60 * 60_000;

/** An attempt at a list whose goods nobody wants: it came to nothing, or its order was cancelled. */
export interface EndedAttempt {
  readonly orderId: string;
  readonly attempt: number;
  /** The id that its return task has or would have. */
  readonly returnTaskId: string;
  /** Who made it; empty when nobody knows. */
  readonly botId: string;
  /** Set when the bot has brought the goods to the depot, and to this bay; empty for none. */
  readonly atDepot?: { readonly bay: string };
  /** What it had picked. */
  readonly carried: readonly ListLine[];
}

export interface ReturnDecision {
  /** Undefined: the bot has nothing to bring back. The very same object when nothing changed. */
  readonly bringBack: Return | undefined;
  readonly events: readonly Draft[];
}

/**
 * The task to bring the goods back by a short walk, for the bot that has them, or for any that collects them at the depot; or that nothing will
 * come back.
 */
export function planReturn(ended: EndedAttempt, known: ReadonlyMap<string, KnownStore>, now: Date): ReturnDecision {
  const { orderId, attempt, returnTaskId: taskId, atDepot, carried } = ended;
  if (carried.length === 0) {
    return { bringBack: undefined, events: [returnEnded({ orderId, taskId, lines: [], reason: '' })] };
  }
  const lines = carried.map(({ lineId, picked }) => ({ lineId, quantity: picked, returned: 0 }));
  const fromDepot = atDepot !== undefined;
  const botId = fromDepot ? '' : ended.botId;
  const kept = { taskId, orderId, attempt, botId, fromDepot, lines };
  const asked: Return = { ...kept, state: 'requested', requestedAt: now, reason: '' };
  if (!fromDepot && botId === '') return over(asked, 'lost', 'nobody knows which bot has the goods');

  const items = carried.map((line) => ({ ...line, quantity: line.picked }));
  const walk = walkThrough(
    items.map(({ storeId }) => storeId),
    known,
  );
  const collect = atDepot && { place: depotPosition, bay: atDepot.bay };
  const payload: ReturnTask = { orderId, stops: stopsOf(walk, items), depot: depotPosition, collect };
  const request = requestTask({
    taskId,
    orderId,
    schema: kinds.return,
    payload: ReturnTask.encode(payload).finish(),
    priority: returnPriority,
    position: fromDepot ? depotPosition : walk.stores[0]!.position,
    deadline: new Date(now.getTime() + (fromDepot ? returnFromDepotWithinMs : returnWithinMs)),
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
 * A line that it does not have changes nothing: no other message of the order waits because a robot babbles. Who begins has the goods from then on; the hub
 * asks nobody else again.
 */
export function decideReturn(bringBack: Return, command: ReturnCommand): ReturnDecision {
  if (bringBack.state === 'done' || bringBack.state === 'lost') return { bringBack, events: [] };
  switch (command.type) {
    case 'start':
      return { bringBack: { ...bringBack, state: 'under_way', botId: command.botId }, events: [] };
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

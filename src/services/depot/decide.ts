import { MallError, notFound } from '../../contract/errors.ts';
import { type Draft, draft } from '../../contract/message.ts';
import { StuckReason } from '../../gen/events/depot/v1/events.ts';
import type { LineOutcome, List, ListCommand, ListLine } from './messages.ts';

export interface Decision {
  /** The very same object when nothing changed. */
  readonly list: List;
  readonly events: readonly Draft[];
  /** What the bot of an attempt that came to nothing has with it; undefined when no attempt ended so. */
  readonly carried?: readonly ListLine[];
  /** What an attempt has brought to the depot that nobody wants any more. */
  readonly unwanted?: { readonly lines: readonly ListLine[]; readonly attempt: number };
  /** The order was called off, and no bot has its list any more: Orders waits for this word, each time that it asks. */
  readonly isCalledOff?: true;
}

/**
 * What a bot's report makes of the list, or that the order is cancelled. Reports about a list that is done with change nothing.
 *
 * Finishing with goods leads to `waiting_for_bay` and to no event yet: which bay, if any, is for `listCompleted` to say.
 * @throws MallError NOT_FOUND when a line is not on the list, INVALID_ARGUMENT when more is picked than was ordered
 */
export function decide(list: List, command: ListCommand, now: Date): Decision {
  if (command.type === 'callOff') return callOff(list, command.reason);
  if (list.state === 'cancelling') return decideCancelling(list, command);
  if (list.state !== 'created' && list.state !== 'assigned') return { list, events: [] };
  const { orderId, taskId, routeMetres } = list;
  switch (command.type) {
    case 'start':
      return {
        list: { ...list, state: 'assigned', botId: command.botId },
        events: [draft('depot.list_assigned', orderId, { orderId, taskId, botId: command.botId })],
      };
    case 'count':
      return { list: { ...list, lines: counted(list, command) }, events: [] };
    case 'lose': {
      const lines = uncounted(list);
      return { list: { state: 'created', orderId, taskId, routeMetres, lines }, events: [], carried: picked(list) };
    }
    case 'fail':
      return stuck(list, StuckReason.TASK_FAILED, `no bot could do it: ${command.reason}`);
    case 'cancel':
      return stuck(list, StuckReason.TASK_CANCELLED, `cancelled: ${command.reason}`);
    case 'finish': {
      const lines = settled(list, command.outcomes);
      const { botId, attempt } = command;
      const done = { orderId, taskId, routeMetres, lines, botId, attempt };
      if (lines.some(({ picked }) => picked > 0)) {
        return { list: { ...done, state: 'waiting_for_bay', waitingSince: now }, events: [] };
      }
      const completed: List = { ...done, state: 'completed' };
      return { list: completed, events: [listCompleted(completed, '')] };
    }
    default:
      throw new Error(`no such command: ${JSON.stringify(command satisfies never)}`);
  }
}

function stuck(list: List, reason: StuckReason, message: string): Decision {
  const { orderId, taskId, routeMetres, lines } = list;
  return {
    list: { state: 'stuck', orderId, taskId, routeMetres, lines, reason: message },
    events: [draft('depot.list_stuck', orderId, { orderId, taskId, reason, message })],
    carried: picked(list),
  };
}

/** Nobody wants the goods any more: whoever has the list is to stop, and what is at the depot already goes back from there. */
function callOff(list: List, reason: string): Decision {
  switch (list.state) {
    case 'created':
    case 'assigned': {
      const { orderId, taskId, routeMetres, lines } = list;
      const botId = list.state === 'assigned' ? list.botId : '';
      const cancelling: List = { state: 'cancelling', orderId, taskId, routeMetres, lines, botId, reason };
      return { list: cancelling, events: [taskCancelRequested(list, reason)] };
    }
    // Asked for again: the hub may have been asked in vain.
    case 'cancelling':
      return { list, events: [taskCancelRequested(list, list.reason)] };
    case 'waiting_for_bay':
    case 'completed':
      return {
        list: cancelled(list, list.lines, list.botId, reason),
        events: [],
        unwanted: { lines: picked(list), attempt: list.attempt },
        isCalledOff: true,
      };
    case 'stuck':
    case 'cancelled':
      return { list, events: [], isCalledOff: true };
    default:
      return list satisfies never;
  }
}

/** What bots say until the hub has ended the task, which they may have finished, or lost, before they heard of it. */
function decideCancelling(
  list: Extract<List, { state: 'cancelling' }>,
  command: Exclude<ListCommand, { type: 'callOff' }>,
): Decision {
  const { botId, reason } = list;
  switch (command.type) {
    case 'start':
      return { list: { ...list, botId: command.botId }, events: [] };
    case 'count':
      return { list: { ...list, lines: counted(list, command) }, events: [] };
    case 'lose':
      return { list: { ...list, lines: uncounted(list), botId: '' }, events: [], carried: picked(list) };
    case 'fail':
    case 'cancel':
      return {
        list: cancelled(list, list.lines, botId, reason),
        events: [],
        carried: picked(list),
        isCalledOff: true,
      };
    case 'finish': {
      const done = cancelled(list, settled(list, command.outcomes), command.botId, reason);
      const unwanted = { lines: picked(done), attempt: command.attempt };
      return { list: done, events: [], unwanted, isCalledOff: true };
    }
    default:
      throw new Error(`no such command: ${JSON.stringify(command satisfies never)}`);
  }
}

const cancelled = (
  { orderId, taskId, routeMetres }: List,
  lines: readonly ListLine[],
  botId: string,
  reason: string,
): List => ({ state: 'cancelled', orderId, taskId, routeMetres, lines, botId, reason });

const taskCancelRequested = ({ orderId, taskId }: List, reason: string): Draft =>
  draft('depot.task_cancel_requested', orderId, { taskId, orderId, reason: `order cancelled: ${reason}` });

/** The answer to whoever cancels the order; `returnTaskIds` are those that are not over. */
export const listCancelled = ({ orderId, taskId }: List, returnTaskIds: readonly string[]): Draft =>
  draft('depot.list_cancelled', orderId, { orderId, taskId, returnTaskIds: [...returnTaskIds] });

const picked = ({ lines }: List): ListLine[] => lines.filter((line) => line.picked > 0);

const uncounted = ({ lines }: List): ListLine[] => lines.map((line) => ({ ...line, picked: 0, short: 0 }));

/** Says that the bot is back; `bay` is empty while the goods wait for one, and where there are none. */
export function listCompleted({ orderId, taskId, lines }: List, bay: string): Draft {
  const outcomes = lines.map(({ lineId, picked, short }) => ({ lineId, picked, short }));
  return draft('depot.list_completed', orderId, { orderId, taskId, lines: outcomes, bay });
}

export const bayAssigned = (orderId: string, bay: string): Draft =>
  draft('depot.bay_assigned', orderId, { orderId, bay });

function counted(list: List, count: LineOutcome): ListLine[] {
  requireLine(list, count.lineId);
  return list.lines.map((line) =>
    line.lineId === count.lineId
      ? checked(list, { ...line, picked: line.picked + count.picked, short: line.short + count.short })
      : line,
  );
}

/** The final counts: what nobody reports as picked is not there, so that picked and short always add up to the quantity. */
function settled(list: List, outcomes: readonly LineOutcome[]): ListLine[] {
  for (const { lineId } of outcomes) requireLine(list, lineId);
  const pickedOf = new Map(outcomes.map(({ lineId, picked }) => [lineId, picked]));
  return list.lines.map((line) => {
    const picked = pickedOf.get(line.lineId) ?? 0;
    return checked(list, { ...line, picked, short: line.quantity - picked });
  });
}

function requireLine({ orderId, lines }: List, lineId: string): void {
  if (!lines.some((line) => line.lineId === lineId))
    throw notFound('line', 'line_id', lineId, `order ${orderId} has none`);
}

function checked({ orderId }: List, line: ListLine): ListLine {
  if (line.picked <= line.quantity && line.picked + line.short <= line.quantity) return line;
  const { lineId, picked, short, quantity } = line;
  throw new MallError(
    'INVALID_ARGUMENT',
    `line ${lineId} of order ${orderId} would have ${picked} picked and ${short} short of ${quantity}`,
    { reason: 'TOO_MANY_UNITS', field: 'quantity', value: String(picked + short) },
  );
}

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
}

/**
 * What a bot's report makes of the list. Reports about a list that is done with change nothing.
 *
 * Finishing with goods leads to `waiting_for_bay` and to no event yet: which bay, if any, is for `listCompleted` to say.
 * @throws MallError NOT_FOUND when a line is not on the list, INVALID_ARGUMENT when more is picked than was ordered
 */
export function decide(list: List, command: ListCommand, now: Date): Decision {
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
      const lines = list.lines.map((line) => ({ ...line, picked: 0, short: 0 }));
      return { list: { state: 'created', orderId, taskId, routeMetres, lines }, events: [], carried: picked(list) };
    }
    case 'fail':
      return stuck(list, StuckReason.TASK_FAILED, `no bot could do it: ${command.reason}`);
    case 'cancel':
      return stuck(list, StuckReason.TASK_CANCELLED, `cancelled: ${command.reason}`);
    case 'finish': {
      const lines = settled(list, command.outcomes);
      const done = { orderId, taskId, routeMetres, lines, botId: command.botId };
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

const picked = ({ lines }: List): ListLine[] => lines.filter((line) => line.picked > 0);

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

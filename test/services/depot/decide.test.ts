import { describe, expect, it } from 'vitest';
import { StuckReason } from '../../../src/gen/events/depot/v1/events.ts';
import { bayAssigned, decide, listCancelled, listCompleted } from '../../../src/services/depot/decide.ts';
import type { List, ListCommand, ListLine } from '../../../src/services/depot/messages.ts';

const line = (lineId: string, quantity: number, counts = { picked: 0, short: 0 }): ListLine => ({
  lineId,
  quantity,
  productId: `product ${lineId}`,
  sku: lineId,
  name: lineId,
  storeId: 'store',
  stop: 0,
  ...counts,
});
const base = { orderId: 'order', taskId: 'task', routeMetres: 12, lines: [line('a', 2), line('b', 1)] };
const created: List = { ...base, state: 'created' };
const assigned: List = { ...base, state: 'assigned', botId: 'bot-1' };
const waiting: List = { ...base, state: 'waiting_for_bay', botId: 'bot-1', attempt: 2, waitingSince: new Date(0) };
const completed: List = { ...base, state: 'completed', botId: 'bot-1', attempt: 2 };
const stuck: List = { ...base, state: 'stuck', reason: 'why' };
const cancelledList: List = { ...base, state: 'cancelled', botId: 'bot-1', reason: 'why' };
const now = new Date('2026-01-01T10:00:00Z');

const report = (list: List, ...commands: ListCommand[]) =>
  commands.reduce((decision, command) => decide(decision.list, command, now), {
    list,
    events: [] as readonly unknown[],
  });
const counts = ({ lines }: List) => lines.map(({ picked, short }) => [picked, short]);
const picked = (lineId: string, units: number): ListCommand => ({ type: 'count', lineId, picked: units, short: 0 });
const short = (lineId: string, units: number): ListCommand => ({ type: 'count', lineId, picked: 0, short: units });
const finish = (...outcomes: Array<[string, number, number]>): ListCommand => ({
  type: 'finish',
  botId: 'bot-1',
  attempt: 2,
  outcomes: outcomes.map(([lineId, picked, short]) => ({ lineId, picked, short })),
});

describe('a shopping list', () => {
  it('is assigned when a bot begins', () => {
    const { list, events } = report(created, { type: 'start', botId: 'bot-1' });
    expect(list).toEqual(assigned);
    expect(events).toMatchObject([
      { name: 'depot.list_assigned', key: 'order', body: { orderId: 'order', taskId: 'task', botId: 'bot-1' } },
    ]);
  });

  it('counts what the bot reports', () => {
    const { list, events } = report(assigned, picked('a', 1), short('a', 1), picked('b', 1));
    expect(counts(list)).toEqual([
      [1, 1],
      [1, 0],
    ]);
    expect(events).toEqual([]);
  });

  it('begins anew when the attempt is lost, whose bot has what it picked', () => {
    const counted = report(assigned, picked('a', 1), short('a', 1), short('b', 1)).list;
    expect(decide(counted, { type: 'lose' }, now)).toEqual({
      list: created,
      events: [],
      carried: [line('a', 2, { picked: 1, short: 1 })],
    });
  });

  it('waits for a bay with what was picked; what nobody reports as picked is short', () => {
    const { list, events } = report(assigned, finish(['a', 1, 1]));
    expect(list).toMatchObject({ state: 'waiting_for_bay', waitingSince: now, botId: 'bot-1', attempt: 2 });
    expect(counts(list)).toEqual([
      [1, 1],
      [0, 1],
    ]);
    expect(events).toEqual([]);
    expect(listCompleted(list, 'B7').body).toEqual({
      orderId: 'order',
      taskId: 'task',
      bay: 'B7',
      lines: [
        { lineId: 'a', picked: 1, short: 1 },
        { lineId: 'b', picked: 0, short: 1 },
      ],
    });
  });

  it('takes the result over the live counts', () => {
    expect(counts(report(assigned, short('a', 2), finish(['a', 2, 0], ['b', 1, 0])).list)).toEqual([
      [2, 0],
      [1, 0],
    ]);
  });

  it('needs no bay when nothing was picked', () => {
    const { list, events } = report(assigned, finish(['a', 0, 2], ['b', 0, 1]));
    expect(list.state).toBe('completed');
    expect(events).toEqual([listCompleted(list, '')]);
  });

  it.each([
    ['the last attempt failed', { type: 'fail', reason: 'POISON' }, 'no bot could do it: POISON', 'TASK_FAILED'],
    ['its task was cancelled', { type: 'cancel', reason: 'wish' }, 'cancelled: wish', 'TASK_CANCELLED'],
  ] as const)('is stuck when %s, begun or not, and whoever began has what it picked', (_, command, reason, code) => {
    for (const list of [created, assigned]) {
      const { list: failed, events, carried } = decide(report(list, picked('b', 1)).list, command, now);
      expect(failed).toMatchObject({ state: 'stuck', reason });
      expect(events).toMatchObject([
        {
          name: 'depot.list_stuck',
          body: { orderId: 'order', taskId: 'task', reason: StuckReason[code], message: reason },
        },
      ]);
      expect(carried).toEqual([line('b', 1, { picked: 1, short: 0 })]);
    }
  });

  it.each([waiting, completed, stuck, cancelledList])('takes no more reports once it is $state', (list) => {
    const late: ListCommand[] = [
      { type: 'start', botId: 'bot-2' },
      picked('a', 1),
      { type: 'lose' },
      { type: 'fail', reason: 'late' },
      { type: 'cancel', reason: 'late' },
      finish(['a', 2, 0]),
    ];
    for (const command of late) {
      const decision = decide(list, command, now);
      expect(decision.list).toBe(list);
      expect(decision.events).toEqual([]);
      expect(decision.carried).toBeUndefined();
    }
  });

  it('refuses a line that is not on it', () => {
    for (const command of [picked('c', 1), finish(['c', 1, 0])]) {
      expect(() => report(assigned, command)).toThrow(
        expect.objectContaining({
          code: 'NOT_FOUND',
          detail: expect.objectContaining({ field: 'line_id', value: 'c' }),
        }),
      );
    }
  });

  it('refuses more units than were ordered', () => {
    for (const commands of [[picked('a', 3)], [picked('a', 1), short('a', 2)], [finish(['a', 3, 0])]]) {
      expect(() => report(assigned, ...commands)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });

  it('announces its bay to the order', () => {
    expect(bayAssigned('order', 'B7')).toMatchObject({
      name: 'depot.bay_assigned',
      key: 'order',
      correlationId: 'order',
      body: { orderId: 'order', bay: 'B7' },
    });
  });
});

describe('a shopping list that is called off', () => {
  const callOff: ListCommand = { type: 'callOff', reason: 'changed my mind' };
  const called = { reason: 'changed my mind' };
  const cancelling: List = { ...base, ...called, state: 'cancelling', botId: 'bot-1' };
  const cancelled: List = { ...base, ...called, state: 'cancelled', botId: 'bot-1' };
  const withTea = (list: List): List => ({ ...list, lines: [line('a', 2, { picked: 2, short: 0 }), line('b', 1)] });

  it.each([
    [created, ''],
    [assigned, 'bot-1'],
  ])('recalls its bot while one may have it ($state)', (list, botId) => {
    expect(decide(list, callOff, now)).toEqual({
      list: { ...cancelling, botId },
      events: [
        expect.objectContaining({
          name: 'depot.task_cancel_requested',
          key: 'order',
          body: { taskId: 'task', orderId: 'order', reason: 'order cancelled: changed my mind' },
        }),
      ],
    });
  });

  it('recalls again when it is asked again, for the first reason', () => {
    const { list, events } = decide(cancelling, { type: 'callOff', reason: 'another' }, now);
    expect(list).toBe(cancelling);
    expect(events).toMatchObject([{ body: { reason: 'order cancelled: changed my mind' } }]);
  });

  it.each([waiting, completed])('has its goods brought back from the depot once they are there ($state)', (list) => {
    expect(decide(withTea(list), callOff, now)).toEqual({
      list: withTea(cancelled),
      events: [],
      unwanted: { lines: [line('a', 2, { picked: 2, short: 0 })], attempt: 2 },
      isCalledOff: true,
    });
  });

  it.each([stuck, cancelled])('says each time again that it is over ($state)', (list) => {
    expect(decide(list, callOff, now)).toEqual({ list, events: [], isCalledOff: true });
  });

  it('goes on being reported about until the hub has ended its task', () => {
    const started = report({ ...cancelling, botId: '' }, { type: 'start', botId: 'bot-2' }, picked('a', 2));
    expect(started).toEqual({ list: withTea({ ...cancelling, botId: 'bot-2' }), events: [] });
    expect(decide(started.list, { type: 'lose' }, now)).toEqual({
      list: { ...cancelling, botId: '' },
      events: [],
      carried: [line('a', 2, { picked: 2, short: 0 })],
    });
  });

  it.each<ListCommand>([
    { type: 'cancel', reason: 'wish' },
    { type: 'fail', reason: 'flat battery' },
  ])('is over when its task is ($type), whose bot has what it picked', (command) => {
    expect(decide(withTea(cancelling), command, now)).toEqual({
      list: withTea(cancelled),
      events: [],
      carried: [line('a', 2, { picked: 2, short: 0 })],
      isCalledOff: true,
    });
  });

  it('gets no bay when its bot had finished before it heard: the goods go back from the depot', () => {
    const { list, unwanted, isCalledOff, events } = decide(cancelling, finish(['a', 2, 0]), now);
    expect(list).toMatchObject({ state: 'cancelled', botId: 'bot-1' });
    expect(unwanted).toEqual({ lines: [line('a', 2, { picked: 2, short: 0 })], attempt: 2 });
    expect({ isCalledOff, events }).toEqual({ isCalledOff: true, events: [] });
  });

  it('is answered for with what is still on its way', () => {
    expect(listCancelled(cancelled, ['r1'])).toMatchObject({
      name: 'depot.list_cancelled',
      key: 'order',
      body: { orderId: 'order', taskId: 'task', returnTaskIds: ['r1'] },
    });
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BodyOf } from '../../../src/contract/events.ts';
import { ReturnTask } from '../../../src/gen/kinds/return/v1/return.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import {
  decideReturn,
  planReturn,
  returnFromDepotWithinMs,
  returnWithinMs,
} from '../../../src/services/depot/bring-back.ts';
import type { KnownStore, ListLine, Return, ReturnCommand } from '../../../src/services/depot/messages.ts';

const now = new Date('2026-01-01T10:00:00Z');
const store = (storeId: string, x: number): KnownStore => ({
  ...{ storeId, name: storeId.toUpperCase(), position: { x, y: 0 } },
  // It may have withdrawn since: its goods are its goods.
  participating: false,
  version: 3,
});
const stores = new Map([store('far', 9), store('near', 2)].map((known) => [known.storeId, known]));
const carried = (lineId: string, storeId: string, picked: number): ListLine => ({
  ...{ lineId, storeId, picked, productId: `product ${lineId}`, sku: lineId, name: lineId },
  ...{ quantity: 5, stop: 0, short: 0 },
});
const ended = {
  ...{ orderId: 'order', attempt: 2, returnTaskId: 'return', botId: 'bot-7' },
  carried: [carried('a', 'far', 2), carried('b', 'near', 1)],
};
const asked: Return = {
  ...{ taskId: 'return', orderId: 'order', attempt: 2, botId: 'bot-7', state: 'requested', reason: '' },
  fromDepot: false,
  requestedAt: now,
  lines: [
    { lineId: 'a', quantity: 2, returned: 0 },
    { lineId: 'b', quantity: 1, returned: 0 },
  ],
};

describe('what an attempt had picked that nobody wants', () => {
  it('is asked back from the bot that has it, first of all, by a short walk and within its time', () => {
    const { bringBack, events } = planReturn(ended, stores, now);
    expect(bringBack).toEqual(asked);
    expect(events).toMatchObject([{ name: 'depot.task_requested', key: 'order', correlationId: 'order' }]);
    const { payload, schema, ...request } = events[0]!.body as BodyOf<'depot.task_requested'>;
    expect(request).toEqual({
      ...{ taskId: 'return', orderId: 'order', onlyBotId: 'bot-7', priority: 1, maxAttempts: 5 },
      position: { x: 2, y: 0 },
      deadline: new Date(now.getTime() + returnWithinMs),
    });
    expect(schema).toEqual({ kind: 'return', revision: 1, digest: kinds.return.digest });
    const item = (lineId: string, quantity: number) => ({
      ...{ lineId, quantity, productId: `product ${lineId}`, sku: lineId, name: lineId },
    });
    expect(ReturnTask.decode(payload)).toMatchObject({
      orderId: 'order',
      depot: { x: 0, y: 0 },
      stops: [
        { storeId: 'near', storeName: 'NEAR', place: { x: 2, y: 0 }, items: [item('b', 1)] },
        { storeId: 'far', storeName: 'FAR', place: { x: 9, y: 0 }, items: [item('a', 2)] },
      ],
    });
  });

  it('is nothing where nothing was picked, which is said at once', () => {
    const { bringBack, events } = planReturn({ ...ended, carried: [] }, stores, now);
    expect(bringBack).toBeUndefined();
    expect(events).toMatchObject([
      { name: 'depot.return_ended', body: { orderId: 'order', taskId: 'return', lines: [], reason: '' } },
    ]);
  });

  it('is asked of any bot where it is at the depot, which collects it there, and has longer', () => {
    const { bringBack, events } = planReturn({ ...ended, atDepot: { bay: 'B3' } }, stores, now);
    expect(bringBack).toEqual({ ...asked, botId: '', fromDepot: true });
    const { payload, ...request } = events[0]!.body as BodyOf<'depot.task_requested'>;
    expect(request).toMatchObject({
      ...{ onlyBotId: '', position: { x: 0, y: 0 } },
      deadline: new Date(now.getTime() + returnFromDepotWithinMs),
    });
    expect(ReturnTask.decode(payload)).toMatchObject({
      collect: { place: { x: 0, y: 0 }, bay: 'B3' },
      stops: [{ storeId: 'near' }, { storeId: 'far' }],
    });
  });

  it('is lost where nobody knows which bot has it', () => {
    const { bringBack, events } = planReturn({ ...ended, botId: '' }, stores, now);
    const reason = 'nobody knows which bot has the goods';
    expect(bringBack).toEqual({ ...asked, botId: '', state: 'lost', reason });
    expect(events).toMatchObject([{ name: 'depot.return_ended', body: { lines: asked.lines, reason } }]);
  });
});

describe('a return', () => {
  const reported = (...commands: ReturnCommand[]) =>
    commands.reduce((bringBack, command) => decideReturn(bringBack, command).bringBack!, asked);
  const count = (lineId: string, quantity: number): ReturnCommand => ({ type: 'count', lineId, quantity });

  it('is under way when its bot begins, and waits for it again when that is lost, with what is back already', () => {
    expect(reported({ type: 'start', botId: 'bot-7' })).toEqual({ ...asked, state: 'under_way' });
    const { lines, state } = reported({ type: 'start', botId: 'bot-7' }, count('a', 1), { type: 'lose' });
    expect({ lines, state }).toMatchObject({ state: 'requested', lines: [{ returned: 1 }, { returned: 0 }] });
  });

  it('counts what is back, never more than there was, and nothing that it does not have', () => {
    expect(reported(count('a', 1), count('a', 2), count('x', 4)).lines.map(({ returned }) => returned)).toEqual([2, 0]);
  });

  it.each([
    [{ type: 'finish' }, 'done', ''],
    [{ type: 'fail', reason: 'too late' }, 'lost', 'too late'],
  ] as const)('that ends (%o) says so, with what is back, once', (command, state, reason) => {
    const { bringBack, events } = decideReturn(reported(count('b', 1)), command);
    const lines = [asked.lines[0], { lineId: 'b', quantity: 1, returned: 1 }];
    expect(bringBack).toEqual({ ...asked, state, reason, lines });
    expect(events).toMatchObject([
      { name: 'depot.return_ended', key: 'order', body: { orderId: 'order', taskId: 'return', lines, reason } },
    ]);
  });

  it('ends once, whatever is reported of it', () => {
    const command = fc.constantFrom<ReturnCommand>(
      { type: 'start', botId: 'bot-7' },
      count('a', 1),
      { type: 'lose' },
      { type: 'finish' },
      { type: 'fail', reason: 'gone' },
    );
    fc.assert(
      fc.property(fc.array(command), (commands) => {
        let state = asked;
        let ends = 0;
        for (const next of commands) {
          const before = state;
          const { bringBack, events } = decideReturn(before, next);
          state = bringBack!;
          ends += events.length;
          if (before.state === 'done' || before.state === 'lost') expect(state).toBe(before);
        }
        expect(ends).toBe(commands.some(({ type }) => type === 'finish' || type === 'fail') ? 1 : 0);
      }),
    );
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ListState, ReturnState } from '../../../src/gen/depot/v1/depot.ts';
import { StuckReason } from '../../../src/gen/events/depot/v1/events.ts';
import { ReturnTask } from '../../../src/gen/kinds/return/v1/return.ts';
import { parked } from '../../../src/services/depot/store.ts';
import { openShopFloor, type ShopFloor } from './shop-floor.ts';

let floor: ShopFloor;
beforeAll(async () => {
  floor = await openShopFloor();
});
afterAll(async () => {
  expect(await floor.service.database.query((orm) => orm.select().from(parked))).toEqual([]);
  await floor[Symbol.asyncDispose]();
});

const lostWithGoods = async () => {
  const order = await floor.place();
  await order.started(1);
  await order.picked(1, 'line-1', 1);
  await order.short(1, 'line-1', 1);
  await order.lost(1);
  return order;
};

describe('the goods of a lost attempt', () => {
  it('are asked back from its bot, once, while the list waits for another one', async () => {
    const order = await floor.place();
    await order.started(1);
    await order.picked(1, 'line-1', 2);
    await order.lost(1);
    const back = order.back(1);
    const request = await back.request();
    expect(request).toMatchObject({ orderId: order.orderId, onlyBotId: 'bot-1', schema: { kind: 'return' } });
    expect(request.deadline).toBeInstanceOf(Date);
    const { far } = floor.stores;
    expect(ReturnTask.decode(request.payload).stops).toMatchObject([
      { storeId: far.storeId, items: [{ lineId: 'line-1', quantity: 2, sku: 'FAR-1' }] },
    ]);
    const { state, returns } = await order.list();
    expect(state).toBe(ListState.CREATED);
    expect(returns).toMatchObject([
      {
        ...{ taskId: back.taskId, attempt: 1, botId: 'bot-1', state: ReturnState.REQUESTED, reason: '' },
        items: [{ lineId: 'line-1', name: 'Tea', quantity: 2, returned: 0 }],
      },
    ]);
  });

  it('come back while another bot does the list, whose end and bay they do not touch', async () => {
    const order = await lostWithGoods();
    const back = order.back(1);
    await order.started(2);
    await back.started();
    expect(await back.shown()).toMatchObject({ state: ReturnState.UNDER_WAY });
    expect(await order.list()).toMatchObject({ state: ListState.ASSIGNED, botId: 'bot-2' });
    await back.returned(1, 'line-1', 1);
    await back.succeeded();
    expect(await back.shown()).toMatchObject({ state: ReturnState.DONE, items: [{ quantity: 1, returned: 1 }] });
    expect(await back.ended()).toMatchObject({ lines: [{ lineId: 'line-1', quantity: 1, returned: 1 }], reason: '' });
    expect(await order.list()).toMatchObject({ state: ListState.ASSIGNED, botId: 'bot-2' });
    await order.succeeded(2);
    expect(await order.list()).toMatchObject({ state: ListState.COMPLETED, bay: expect.stringMatching(/^B\d+$/) });
  });

  it('are waited for again when their bot is lost on the way, and written down as lost when it gives up', async () => {
    const order = await lostWithGoods();
    const back = order.back(1);
    await back.started(1);
    await back.lost(1);
    expect(await back.shown()).toMatchObject({ state: ReturnState.REQUESTED });
    expect(await order.list()).toMatchObject({ state: ListState.CREATED });
    await back.failed(3);
    expect(await back.shown()).toMatchObject({ state: ReturnState.LOST, reason: 'too late' });
    expect(await back.ended()).toMatchObject({ lines: [{ quantity: 1, returned: 0 }], reason: 'too late' });
    // The list of the order is another task.
    expect(await order.list()).toMatchObject({ state: ListState.CREATED });
  });

  it('are lost when their return is cancelled', async () => {
    const order = await lostWithGoods();
    await order.back(1).cancelled();
    expect(await order.back(1).shown()).toMatchObject({ state: ReturnState.LOST, reason: 'cancelled: wish' });
    expect(await order.list()).toMatchObject({ state: ListState.CREATED });
  });

  it('are told apart by attempt', async () => {
    const order = await lostWithGoods();
    await order.picked(2, 'line-2', 1);
    await order.lost(2);
    const [first, second] = [order.back(1), order.back(2)];
    expect((await second.request()).onlyBotId).toBe('bot-2');
    await second.succeeded();
    expect((await order.list()).returns).toMatchObject([
      { taskId: first.taskId, attempt: 1, state: ReturnState.REQUESTED, items: [{ lineId: 'line-1' }] },
      { taskId: second.taskId, attempt: 2, state: ReturnState.DONE, items: [{ lineId: 'line-2' }] },
    ]);
  });
});

it('an attempt that had picked nothing ends without a return, which is said', async () => {
  const order = await floor.place();
  await order.started(1);
  await order.lost(1);
  expect(await order.back(1).ended()).toMatchObject({ lines: [], reason: '' });
  expect((await order.list()).returns).toEqual([]);
});

it.each([
  ['failed', 'TASK_FAILED'],
  ['cancelled', 'TASK_CANCELLED'],
] as const)('a list that is %s is stuck, and what was picked for it is asked back', async (end, reason) => {
  const order = await floor.place();
  await order.started(1);
  await order.picked(1, 'line-2', 1);
  await order[end](1);
  const { body } = await floor.service.untilSaid('depot.list_stuck', order.orderId);
  expect(body.reason).toBe(StuckReason[reason]);
  expect(await order.back(1).request()).toMatchObject({ onlyBotId: 'bot-1' });
  await order.back(1).started();
  expect(await order.list()).toMatchObject({ state: ListState.STUCK, returns: [{ state: ReturnState.UNDER_WAY }] });
});

it('a list whose task the hub cannot read is stuck', async () => {
  const order = await floor.place();
  await order.failedUnread();
  expect((await floor.service.untilSaid('depot.list_stuck', order.orderId)).body.reason).toBe(StuckReason.TASK_FAILED);
});

it('tasks of a kind that Depot never asked for are nobody’s list and nobody’s return', async () => {
  const order = await lostWithGoods();
  const dance = order.back(7, 'dance');
  await dance.started();
  await dance.returned(1, 'line-1', 1);
  await dance.lost(1);
  await dance.failed(3);
  await dance.cancelled(4);
  await dance.succeeded(5);
  expect(await order.list()).toMatchObject({ state: ListState.CREATED, returns: [{ state: ReturnState.REQUESTED }] });
});

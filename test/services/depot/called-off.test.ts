import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ListState, ReturnState } from '../../../src/gen/depot/v1/depot.ts';
import { ReturnTask } from '../../../src/gen/kinds/return/v1/return.ts';
import { parked } from '../../../src/services/depot/store.ts';
import { openShopFloor, type ShopFloor } from './shop-floor.ts';

/** Few, so that lists wait for one. */
const bayCount = 1;

let floor: ShopFloor;
beforeAll(async () => {
  floor = await openShopFloor(bayCount);
});
afterAll(async () => {
  expect(await floor.service.database.query((orm) => orm.select().from(parked))).toEqual([]);
  await floor[Symbol.asyncDispose]();
});

const reason = 'changed my mind';

describe('an order that is cancelled while its list', () => {
  it('waits for a bot: the hub is asked to end the task, and there is nothing to bring back', async () => {
    const order = await floor.place();
    await order.calledOff();
    expect(await order.recalled()).toMatchObject({ taskId: order.taskId, reason: `order cancelled: ${reason}` });
    expect(await order.list()).toMatchObject({ state: ListState.CANCELLING, reason });
    await order.cancelled(1);
    expect(await order.answer()).toEqual(expect.objectContaining({ taskId: order.taskId, returnTaskIds: [] }));
    expect(await order.list()).toMatchObject({ state: ListState.CANCELLED, reason, returns: [] });
    expect(await order.back(1).ended()).toMatchObject({ lines: [] });
  });

  it('is not known to the hub yet, which heard of the wish first', async () => {
    const order = await floor.place();
    await order.calledOff();
    await order.cancelledUnheard();
    expect((await order.answer()).returnTaskIds).toEqual([]);
    expect(await order.list()).toMatchObject({ state: ListState.CANCELLED });
  });

  it('is with a bot: what it has picked comes back, and the order hears of that', async () => {
    const order = await floor.place();
    await order.started(1);
    await order.picked(1, 'line-1', 2);
    await order.calledOff();
    expect(await order.list()).toMatchObject({ state: ListState.CANCELLING, botId: 'bot-1' });
    await order.picked(1, 'line-2', 1);
    await order.cancelled(1);
    const back = order.back(1);
    expect((await order.answer()).returnTaskIds).toEqual([back.taskId]);
    expect(await back.request()).toMatchObject({ onlyBotId: 'bot-1' });
    await back.started();
    await back.returned(1, 'line-1', 2);
    await back.returned(1, 'line-2', 1);
    await back.succeeded();
    expect(await back.ended()).toMatchObject({ lines: [{ returned: 2 }, { returned: 1 }] });
    expect(await back.shown()).toMatchObject({ state: ReturnState.DONE, fromDepot: false });
  });

  it('is lost with its bot, whose goods come back too', async () => {
    const order = await floor.place();
    await order.started(1);
    await order.picked(1, 'line-1', 1);
    await order.calledOff();
    await order.lost(1);
    expect(await order.list()).toMatchObject({ state: ListState.CANCELLING, botId: '' });
    // The hub hears of the wish while the task waits for another bot.
    await order.cancelled(2);
    expect((await order.answer()).returnTaskIds).toEqual([order.back(1).taskId]);
  });

  it('is done: no bay is given out, and whichever bot is free brings the goods back from the depot', async () => {
    const order = await floor.place();
    await order.started(1);
    await order.picked(1, 'line-1', 2);
    await order.calledOff();
    await order.succeeded(1);
    expect(await order.list()).toMatchObject({ state: ListState.CANCELLED, bay: '' });
    const back = order.back(1);
    expect((await order.answer()).returnTaskIds).toEqual([back.taskId]);
    const request = await back.request();
    expect(request).toMatchObject({ onlyBotId: '', position: { x: 0, y: 0 } });
    expect(ReturnTask.decode(request.payload)).toMatchObject({ collect: { bay: '' }, stops: [{}, {}] });
    await back.started(1, 'bot-9');
    expect(await back.shown()).toMatchObject({ botId: 'bot-9', fromDepot: true, state: ReturnState.UNDER_WAY });
    await back.succeeded();
    expect(await back.ended()).toMatchObject({ reason: '' });
  });

  it.each(['failed', 'cancelled'] as const)(
    'is stuck already (%s): the answer comes at once, with what is on its way',
    async (end) => {
      const order = await floor.place();
      await order.started(1);
      await order.picked(1, 'line-2', 1);
      await order[end](1);
      await order.calledOff();
      expect((await order.answer()).returnTaskIds).toEqual([order.back(1).taskId]);
      await order.back(1).succeeded();
      // Asked again, it says what is left by then.
      await order.calledOff();
      await expect.poll(async () => (await order.answer()).returnTaskIds).toEqual([]);
      expect(await order.list()).toMatchObject({ state: ListState.STUCK });
    },
  );
});

describe('goods in a bay whose order is cancelled', () => {
  it('keep it until they are back, also while their bot is lost; then it is the next order’s', async () => {
    const order = await floor.place();
    await order.started(1);
    await order.picked(1, 'line-1', 2);
    await order.picked(1, 'line-2', 1);
    await order.succeeded(1);
    const next = await floor.place();
    await next.started(1);
    await next.succeeded(1);
    const given = { bay: 'B1', orderId: order.orderId };
    expect(await floor.bays()).toMatchObject([given]);

    await order.calledOff();
    const back = order.back(1);
    expect((await order.answer()).returnTaskIds).toEqual([back.taskId]);
    expect(ReturnTask.decode((await back.request()).payload)).toMatchObject({ collect: { bay: 'B1' } });
    await back.started(1, 'bot-7');
    await back.lost(1);
    expect(await back.shown()).toMatchObject({ state: ReturnState.REQUESTED });
    await back.started(2, 'bot-7');
    await back.returned(2, 'line-1', 2);
    await back.returned(2, 'line-2', 1);
    expect(await floor.bays()).toMatchObject([given]);
    await back.succeeded(2);
    expect(await floor.bays()).toMatchObject([{ bay: 'B1', orderId: next.orderId }]);
    expect(await floor.service.untilSaid('depot.bay_assigned', next.orderId)).toMatchObject({ body: { bay: 'B1' } });
    await next.handedOver();
  });

  it('are written off when no bot brings them back, and the bay is free all the same', async () => {
    const order = await floor.place();
    await order.started(1);
    await order.succeeded(1);
    await order.calledOff();
    await order.back(1).failed(1);
    expect(await order.back(1).shown()).toMatchObject({ state: ReturnState.LOST, reason: 'too late' });
    expect(await floor.bays()).toEqual([]);
  });

  it('keep the bay of a list that is done when what an earlier attempt had picked is back', async () => {
    const order = await floor.place();
    await order.started(1);
    await order.picked(1, 'line-2', 1);
    await order.lost(1);
    await order.started(2);
    await order.succeeded(2);
    await order.calledOff();
    const [first, second] = [order.back(1), order.back(2)];
    expect((await order.answer()).returnTaskIds).toEqual([first.taskId, second.taskId]);
    await first.succeeded();
    expect(await floor.bays()).toMatchObject([{ orderId: order.orderId }]);
    await second.succeeded();
    expect(await floor.bays()).toEqual([]);
  });
});

it('what has arrived, and waits for a bay beside others, goes back without one', async () => {
  const first = await floor.place();
  await first.succeeded(1);
  const second = await floor.place();
  await second.succeeded(1);
  expect(await second.list()).toMatchObject({ state: ListState.WAITING_FOR_BAY });
  await second.calledOff();
  expect((await second.answer()).returnTaskIds).toEqual([second.back(1).taskId]);
  await second.back(1).succeeded();
  expect(await floor.bays()).toMatchObject([{ orderId: first.orderId }]);
  await first.handedOver();
});

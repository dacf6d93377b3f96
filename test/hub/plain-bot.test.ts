import { expect, it } from 'vitest';
import { ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { startFleet } from './fleet.ts';
import { PlainBot } from './plain-bot.ts';

const payload = Buffer.from(
  ShopTask.encode(
    ShopTask.fromPartial({
      orderId: 'o',
      stops: ['tea', 'jam'].map((what) => ({
        storeId: `store-${what}`,
        items: [{ lineId: `line-${what}`, productId: what, quantity: 2 }],
      })),
    }),
  ).finish(),
);

it('a bot made from the README and the proto files alone does a task, its wire cut in the middle, and each step is told once', async () => {
  await using fleet = await startFleet();
  const bot = new PlainBot(fleet.hub.address, 'plain');
  bot.onStep = (step) => {
    if (step === 1) bot.cut();
  };
  const { taskId, orderId } = await fleet.request({ payload });
  await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_succeeded'));

  const said = fleet.said(orderId).map(({ name, body }) => [name, (body as { storeId?: string }).storeId]);
  expect(said).toEqual([
    ['bots.task_started', undefined],
    ['bots.stop_reached', 'store-tea'],
    ['bots.item_picked', 'store-tea'],
    ['bots.stop_reached', 'store-jam'],
    ['bots.item_picked', 'store-jam'],
    ['bots.task_succeeded', undefined],
  ]);
  expect(fleet.said(orderId).every(({ task }) => task?.id === taskId && task.fence === 1)).toBe(true);
  const tasks = await fleet.tasks({ orderId });
  expect(tasks).toMatchObject([{ state: 'SUCCEEDED', attempt: 1, fence: 1, botId: 'plain' }]);
  expect(bot.nacks).toEqual([]);
  bot.close();
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Fleet, startFleet } from './fleet.ts';
import type { RawBot } from './raw-bot.ts';

let fleet: Fleet;
let bot: RawBot;
beforeAll(async () => {
  fleet = await startFleet({ leaseMs: 1_000 });
  bot = fleet.bot({ botId: 'shown', position: { x: 3, y: 4 } });
  await bot.welcomed();
});
afterAll(() => fleet[Symbol.asyncDispose]());

it('lists bots with what they last said and what they hold', async () => {
  const { taskId } = await fleet.request();
  const task = await bot.lease();
  bot.heartbeat([task], { x: 7, y: 8, battery: 0.5 });
  const shown = async () => (await fleet.admin.listBots({ connectedOnly: true })).bots[0];
  await expect.poll(shown).toMatchObject({
    botId: 'shown',
    connected: true,
    epoch: 1,
    position: { x: 7, y: 8 },
    battery: 0.5,
    taskIds: [taskId],
  });
  bot.end();
  await bot.status;
  await fleet.disconnected('shown');
  expect((await fleet.admin.listBots({ connectedOnly: false })).bots).toMatchObject([
    { botId: 'shown', connected: false },
  ]);
});

it('lists tasks newest first, of one order, and open ones only', async () => {
  const older = await fleet.request();
  const newer = await fleet.request();
  const ids = async (request: Parameters<typeof fleet.admin.listTasks>[0]) =>
    (await fleet.admin.listTasks(request)).tasks.map(({ taskId }) => taskId);
  expect((await ids({ orderId: '', openOnly: true, limit: 2 })).slice(0, 2)).toEqual([newer.taskId, older.taskId]);
  expect(await ids({ orderId: older.orderId, openOnly: false, limit: 0 })).toEqual([older.taskId]);
});

it.each([
  ['limit', { orderId: '', openOnly: false, limit: 1_001 }],
  ['order_id', { orderId: 'seven', openOnly: false, limit: 0 }],
])('refuses an impossible %s by name', async (field, request) => {
  await expect(fleet.admin.listTasks(request)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { field } });
});

import { afterEach, beforeEach, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import type { Received } from '../../src/contract/message.ts';
import { FleetAdminService, NackReason, Outcome, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked } from './raw-bot.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ leaseMs: 2_000 });
});
afterEach(() => fleet[Symbol.asyncDispose]());

const cancelledOf = (orderId: string) =>
  fleet.until(orderId, (said: readonly Received[]) => said.find(({ name }) => name === 'bots.task_cancelled'));
const recall = (taskId: string) => fleet.admin.cancelTask({ taskId, reason: 'the shopper left' });

it('ends a task that waits at once, once, and nobody is offered it', async () => {
  const { taskId, orderId } = await fleet.request();
  const isStored = async () => (await fleet.tasks({ orderId, openOnly: true })).length;
  await expect.poll(isStored, { timeout: 20_000 }).toBe(1);
  expect(await recall(taskId)).toMatchObject({ state: 'CANCELLED', reason: 'the shopper left' });
  expect(await recall(taskId)).toMatchObject({ state: 'CANCELLED' });
  expect(await cancelledOf(orderId)).toMatchObject({ body: { reason: 'the shopper left', cancelledFence: 0 } });
  const other = await fleet.request();
  const bot = fleet.bot();
  await bot.welcomed();
  expect((await bot.lease()).taskId).toBe(other.taskId);
  expect(fleet.said(orderId)).toHaveLength(1);
});

it('tells the bot at once, on whichever hub it is, and ends the task when the bot says that it has stopped', async () => {
  const bot = fleet.bot({}, await fleet.addHub());
  await bot.welcomed();
  const { taskId, orderId } = await fleet.request();
  const task = await bot.lease();
  await bot.acknowledged(bot.progress(task, picked(), { started: true }));
  expect(await recall(taskId)).toMatchObject({ state: 'CANCELLING' });
  expect((await bot.next('cancel')).value).toMatchObject({ ...task, reason: 'the shopper left' });
  bot.progress(task, picked());
  bot.send({ $case: 'cancelReply', value: { ...task, stopped: true } });
  // The result that follows has nothing to add, and is no mistake.
  await bot.acknowledged(bot.result(task, { outcome: Outcome.CANCELLED }));
  expect(await cancelledOf(orderId)).toMatchObject({
    task: { fence: task.fence + 1 },
    body: { cancelledFence: task.fence },
  });
  expect(fleet.said(orderId).map(({ name }) => name)).toEqual([
    'bots.task_started',
    'bots.item_picked',
    'bots.item_picked',
    'bots.task_cancelled',
  ]);
  expect(bot.frames.some(({ body }) => body?.$case === 'nack')).toBe(false);
  const late = bot.progress(task, picked());
  expect((await bot.next('nack')).value).toMatchObject({ seq: late, reason: NackReason.STALE_FENCE });
});

it('lets the result count of a bot that could not stop any more', async () => {
  const bot = fleet.bot();
  await bot.welcomed();
  const { taskId, orderId } = await fleet.request();
  const task = await bot.lease();
  await recall(taskId);
  await bot.next('cancel');
  bot.send({ $case: 'cancelReply', value: { ...task, stopped: false } });
  await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED }));
  await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_succeeded'));
  await expect(recall(taskId)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
});

it('ends the task with its lease where the bot never answers, though it beats on', async () => {
  const bot = fleet.bot();
  await bot.welcomed();
  const { taskId, orderId } = await fleet.request();
  const task = await bot.lease();
  bot.keepBeating([task]);
  await recall(taskId);
  await cancelledOf(orderId);
  expect((await bot.next('nack')).value).toMatchObject({ reason: NackReason.STALE_FENCE, ...task });
});

it('tells a bot that was away when it is back', async () => {
  const first = fleet.bot();
  await first.welcomed();
  const { taskId } = await fleet.request();
  const task = await first.lease();
  first.cut();
  await fleet.disconnected(first.hello.botId);
  await recall(taskId);
  const { botId, instanceId } = first.hello;
  const back = fleet.bot({ botId, instanceId, heldTasks: [{ ...task, finished: false }] });
  await back.welcomed();
  expect((await back.next('cancel')).value).toMatchObject(task);
});

it('tells a bot whose hub heard nothing of it: with the next renewal of the lease, and on the hub that the bot moves to', async () => {
  await fleet[Symbol.asyncDispose]();
  // Long enough for the bot to move before the cancel ends with the lease.
  fleet = await startFleet({ leaseMs: 8_000 });
  const mute = await fleet.addHub({ isMute: true });
  const other = await fleet.addHub();
  const admin = connectClient(FleetAdminService, mute.address, fleet.telemetry);
  const bot = fleet.bot();
  await bot.welcomed();
  const { taskId, orderId } = await fleet.request();
  const task = await bot.lease();
  const asked = await admin.api.cancelTask({ taskId, reason: 'the shopper left' });
  expect(asked).toMatchObject({ state: 'CANCELLING' });
  bot.heartbeat([task]);
  expect((await bot.next('cancel')).value).toMatchObject({ ...task, reason: 'the shopper left' });

  bot.cut();
  const { botId, instanceId } = bot.hello;
  const moved = fleet.bot({ botId, instanceId, heldTasks: [{ ...task, finished: false }] }, other);
  expect((await moved.welcomed()).verdicts).toMatchObject([{ ...task, verdict: Verdict.CONTINUE }]);
  expect((await moved.next('cancel')).value).toMatchObject({ ...task, reason: 'the shopper left' });
  moved.send({ $case: 'cancelReply', value: { ...task, stopped: true } });
  await cancelledOf(orderId);
  admin.close();
});

it('is asked for by Depot too, also before the task itself arrives, which then does nothing', async () => {
  const ids = { taskId: newId(), orderId: newId() };
  await fleet.requestCancel(ids, 'changed their mind');
  expect(await cancelledOf(ids.orderId)).toMatchObject({ body: { reason: 'changed their mind', cancelledFence: 0 } });
  await fleet.request(ids);
  const other = await fleet.request();
  const bot = fleet.bot();
  await bot.welcomed();
  expect((await bot.lease()).taskId).toBe(other.taskId);
  await fleet.requestCancel(other, 'changed their mind');
  expect((await bot.next('cancel')).value).toMatchObject({ taskId: other.taskId });
  expect(fleet.said(ids.orderId)).toHaveLength(1);
});

it('refuses what names no task', async () => {
  await expect(recall(newId())).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(recall('seven')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { field: 'task_id' } });
});

import { randomUUID } from 'node:crypto';
import { SpanStatusCode } from '@opentelemetry/api';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { NackReason, Outcome, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked, reached } from './raw-bot.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ leaseMs: 1_000 });
});
afterEach(() => fleet[Symbol.asyncDispose]());

const lostOf = (orderId: string) => fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_lost'));

it('gives the task of a bot that vanished to another, under a higher fence, after everybody heard of the loss', async () => {
  const { taskId, orderId } = await fleet.request();
  const gone = fleet.bot({ botId: 'gone' });
  await gone.welcomed();
  const task = await gone.lease();
  await gone.acknowledged(gone.progress(task, picked(), { started: true }));
  gone.cut();

  const heir = fleet.bot({ botId: 'heir' });
  await heir.welcomed();
  heir.keepBeating([]);
  const again = await heir.lease();
  expect(again).toEqual({ taskId, fence: 3 });
  await heir.acknowledged(heir.progress(again, reached(), { started: true }));
  const said = fleet.said(orderId);
  expect(said.map(({ name, task }) => `${name} ${task?.fence}`)).toEqual([
    'bots.task_started 1',
    'bots.item_picked 1',
    'bots.task_lost 2',
    'bots.task_started 3',
    'bots.stop_reached 3',
  ]);
  expect(said[2]).toMatchObject({ body: { lostFence: 1, task: { botId: 'gone', attempt: 2, fence: 2 } } });
});

it("tells of a lost lease in the order's trace, as a failure", async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const { taskId, orderId } = await fleet.request({}, { traceparent });
  const gone = fleet.bot({ botId: 'gone' });
  await gone.welcomed();
  await gone.lease();
  gone.cut();
  await lostOf(orderId);
  const [lost, ...more] = fleet.telemetry.spans().filter(({ name }) => name === 'lose shop');
  expect(more).toEqual([]);
  expect(lost).toMatchObject({
    status: { code: SpanStatusCode.ERROR },
    attributes: { 'mallbots.order_id': orderId, 'mallbots.task_id': taskId, 'mallbots.bot_id': 'gone' },
  });
  expect(lost!.spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c');
});

it('tells a bot that was silent too long, and hears nothing more of that assignment', async () => {
  const { orderId } = await fleet.request();
  const bot = fleet.bot();
  await bot.welcomed();
  const task = await bot.lease();
  // Alive, but it does not name its task: the lease is not renewed.
  const stop = bot.keepBeating([]);
  await lostOf(orderId);
  expect((await bot.next('nack')).value).toMatchObject({ reason: NackReason.STALE_FENCE, ...task });
  for (const seq of [
    bot.progress(task, picked()),
    bot.result(task, { outcome: Outcome.SUCCEEDED }),
    bot.reply(task, true),
  ]) {
    const { value } = await bot.next('nack');
    expect(value).toMatchObject({ seq, reason: NackReason.STALE_FENCE, ...task });
  }
  expect(fleet.said(orderId).map(({ name }) => name)).toEqual(['bots.task_lost']);
  stop();
});

it('keeps a lease as long as heartbeats name it', async () => {
  const { taskId } = await fleet.request();
  const bot = fleet.bot();
  await bot.welcomed();
  const task = await bot.lease();
  const granted = await fleet.heldUntil(taskId);
  bot.keepBeating([task]);
  // Three leases' time: each of them would have run out without a renewal.
  await expect.poll(() => fleet.heldUntil(taskId), { timeout: 20_000 }).toBeGreaterThan(granted + 3_000);
  await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED }));
  expect(bot.frames.some(({ body }) => body?.$case === 'nack')).toBe(false);
});

it('waits for a bot that is away while its fleet comes to another hub as a herd', async () => {
  const { taskId, orderId } = await fleet.request();
  const instanceId = randomUUID();
  const before = fleet.bot({ botId: 'late', instanceId });
  await before.welcomed();
  const task = await before.lease();
  const other = await fleet.addHub();
  const herd = { isOver: false };
  const comeAndGo = async () => {
    while (!herd.isOver) {
      const bot = fleet.bot({ credits: [] }, other);
      await bot.welcomed();
      bot.end();
      await bot.status;
    }
  };
  const coming = Array.from({ length: 24 }, comeAndGo);
  before.cut();
  // Past its lease, and past the lease that a shopping task waits for its bot.
  const until = (await fleet.heldUntil(taskId)) + 1_500;
  await expect.poll(() => Date.now(), { timeout: 20_000 }).toBeGreaterThan(until);

  const back = fleet.bot({ botId: 'late', instanceId, heldTasks: [{ ...task, finished: false }] });
  expect(await back.welcomed()).toMatchObject({ verdicts: [{ ...task, verdict: Verdict.CONTINUE }] });
  herd.isOver = true;
  await Promise.all(coming);
  await back.acknowledged(back.result(task, { outcome: Outcome.SUCCEEDED }));
  const names = () => fleet.said(orderId).map(({ name }) => name);
  await expect.poll(names).toEqual(['bots.task_succeeded']);
});

it('gives up after the last attempt', async () => {
  const { taskId, orderId } = await fleet.request({ maxAttempts: 1 });
  const bot = fleet.bot();
  await bot.welcomed();
  await bot.lease();
  bot.cut();
  const failed = await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_failed'));
  expect(failed).toMatchObject({
    task: { id: taskId, fence: 2 },
    body: { reason: 'the lease ran out in attempt 1 of 1' },
  });
  const tasks = await fleet.tasks({ orderId });
  expect(tasks).toMatchObject([{ state: 'POISON' }]);
});

it('lets a bot that is back within its lease go on, and what it sends again changes nothing', async () => {
  const { orderId } = await fleet.request();
  const instanceId = randomUUID();
  const before = fleet.bot({ botId: 'back', instanceId });
  await before.welcomed();
  const task = await before.lease();
  const first = before.progress(task, picked(2), { started: true });
  await before.acknowledged(first);
  before.cut();

  const heldTasks = [{ ...task, finished: false }];
  const after = fleet.bot({ botId: 'back', instanceId, heldTasks });
  const { epoch, verdicts } = await after.welcomed();
  after.keepBeating([task]);
  expect(epoch).toBe(2);
  expect(verdicts).toMatchObject([{ ...task, verdict: Verdict.CONTINUE }]);
  after.progress(task, picked(2), { seq: first, started: true });
  after.progress(task, reached(1));
  await after.acknowledged(after.result(task, { outcome: Outcome.SUCCEEDED }));
  await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_succeeded'));
  expect(fleet.said(orderId).map(({ name, task }) => `${name} ${task?.fence}`)).toEqual([
    'bots.task_started 1',
    'bots.item_picked 1',
    'bots.stop_reached 1',
    'bots.task_succeeded 1',
  ]);
});

it('takes a task at once from a bot that came back without it', async () => {
  const { orderId } = await fleet.request();
  const before = fleet.bot({ botId: 'amnesiac' });
  await before.welcomed();
  const task = await before.lease();
  before.cut();
  await fleet.disconnected('amnesiac');
  const after = fleet.bot({ botId: 'amnesiac', heldTasks: [{ taskId: randomUUID(), fence: 7, finished: false }] });
  const { verdicts } = await after.welcomed();
  expect(verdicts).toMatchObject([{ fence: 7, verdict: Verdict.ABANDON }]);
  after.keepBeating([]);
  expect(await lostOf(orderId)).toMatchObject({ body: { lostFence: 1, reason: 'the bot came back without it' } });
  expect(await after.lease()).toEqual({ taskId: task.taskId, fence: 3 });
});

it('takes leases back at once from a bot that says goodbye', async () => {
  const { orderId } = await fleet.request();
  const bot = fleet.bot();
  await bot.welcomed();
  await bot.lease();
  bot.send({ $case: 'goodbye', value: { reason: 'home' } }, { seq: 0 });
  expect((await bot.status).code).toBe(0);
  expect(await lostOf(orderId)).toMatchObject({ body: { reason: 'the bot said goodbye' } });
});

it('withdraws an offer that is not answered, and the offers of a bot that leaves', async () => {
  const { taskId } = await fleet.request();
  const mute = fleet.bot();
  await mute.welcomed();
  expect((await mute.next('offer')).value).toMatchObject({ taskId, fence: 1 });
  mute.keepBeating([]);
  expect((await mute.next('offer')).value).toMatchObject({ taskId, fence: 2, attempt: 1 });
  mute.end();
  await mute.status;
  const tasks = await fleet.tasks({ openOnly: true });
  expect(tasks).toMatchObject([{ taskId, state: 'QUEUED', attempt: 1, fence: 2 }]);
});

it('ends the stream of a bot that stays connected and says nothing', async () => {
  const bot = fleet.bot();
  await bot.welcomed();
  expect(await bot.status).toMatchObject({ code: 14, details: expect.stringContaining('no heartbeat') });
});

it('asks the table when its own knowledge of a lease is stale, as after a pause of the process', async () => {
  const { taskId, orderId } = await fleet.request();
  const bot = fleet.bot();
  await bot.welcomed();
  const task = await bot.lease();
  // Another hub has given the task away while this one did not run.
  await fleet.database.query((orm) =>
    orm.execute(sql`update hub.tasks set fence = 5, bot_id = 'other', held_until = now() + interval '1 hour'
                    where task_id = ${taskId}`),
  );
  bot.heartbeat([task]);
  expect((await bot.next('nack')).value).toMatchObject({ reason: NackReason.STALE_FENCE, ...task });
  const seq = bot.progress(task, picked(), { started: true });
  expect((await bot.next('nack')).value).toMatchObject({ seq, reason: NackReason.STALE_FENCE });
  expect(fleet.said(orderId)).toEqual([]);
});

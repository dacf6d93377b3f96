import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Outcome, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked, reached } from './raw-bot.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ leaseMs: 1_000 });
});
afterEach(() => fleet[Symbol.asyncDispose]());

it('acknowledges a report only when the broker has confirmed it, and renews the lease meanwhile', async () => {
  const { taskId, orderId } = await fleet.request();
  const bot = fleet.bot();
  await bot.welcomed();
  const task = await bot.lease();
  await bot.acknowledged(1);
  const release = fleet.withholdConfirms();
  bot.progress(task, reached(), { started: true });
  const last = bot.progress(task, picked());
  await fleet.withheld(1);

  // Longer than the lease: only heartbeats, which overtake what waits, keep the task.
  const granted = await fleet.heldUntil(taskId);
  bot.keepBeating([task]);
  await expect.poll(() => fleet.heldUntil(taskId), { timeout: 20_000 }).toBeGreaterThan(granted + 2_000);
  expect(bot.ack).toBe(1);
  release();
  await bot.acknowledged(last);
  expect(fleet.said(orderId).map(({ name }) => name)).toEqual([
    'bots.task_started',
    'bots.stop_reached',
    'bots.item_picked',
  ]);
});

it('publishes again what was not confirmed when the stream broke', async () => {
  const { taskId, orderId } = await fleet.request();
  const instanceId = randomUUID();
  const before = fleet.bot({ botId: 'again', instanceId });
  await before.welcomed();
  const task = await before.lease();
  const release = fleet.withholdConfirms();
  const seq = before.progress(task, picked(3), { started: true });
  await fleet.withheld(1);
  before.cut();
  const after = fleet.bot({ botId: 'again', instanceId, heldTasks: [{ ...task, finished: false }] });
  await after.welcomed();
  after.progress(task, picked(3), { seq, started: true });
  release();
  await after.acknowledged(seq);
  expect(fleet.said(orderId).map(({ id }) => id)).toEqual([`${taskId}:1:started`, `${taskId}:1:${seq}`]);
});

it('drains: says so, lets the bots finish what is on the wire, and their leases move to another hub', async () => {
  const hub = await fleet.addHub();
  const { orderId } = await fleet.request();
  const instanceId = randomUUID();
  const before = fleet.bot({ botId: 'nomad', instanceId }, hub);
  await before.welcomed();
  const task = await before.lease();
  const idle = fleet.bot({}, hub);
  await idle.welcomed();
  idle.keepBeating([]);

  const drained = hub.drain();
  const { value: drain } = await before.next('drain');
  expect(drain.deadline!.getTime()).toBeGreaterThan(Date.now());
  expect(drain.retryAfter).toMatchObject({ seconds: 2, nanos: 0 });
  await before.acknowledged(before.progress(task, picked(), { started: true }));
  before.end();
  expect((await before.status).code).toBe(0);
  const after = fleet.bot({ botId: 'nomad', instanceId, heldTasks: [{ ...task, finished: false }] });
  expect((await after.welcomed()).verdicts).toMatchObject([{ ...task, verdict: Verdict.CONTINUE }]);
  await after.acknowledged(after.result(task, { outcome: Outcome.SUCCEEDED }, { seq: 100 }));
  const succeeded = await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_succeeded'));
  expect(succeeded.body).toMatchObject({ task: { attempt: 1, fence: 1, botId: 'nomad' } });

  // This one does not go by itself.
  expect(await idle.status).toMatchObject({ code: 14, details: expect.stringContaining('goes away') });
  await drained;
});

it('shares one queue between hubs: a task that came to one goes to the bot of another', async () => {
  const other = await fleet.addHub();
  const bot = fleet.bot({}, other);
  await bot.welcomed();
  const asked = await Promise.all([fleet.request(), fleet.request(), fleet.request(), fleet.request()]);
  for (const _ of asked) {
    const task = await bot.lease();
    expect(asked.map(({ taskId }) => taskId)).toContain(task.taskId);
    await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED }));
  }
});

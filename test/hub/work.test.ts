import { Metadata } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { Received } from '../../src/contract/message.ts';
import { Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { parseTraceparent } from '../../src/telemetry/propagation.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked, RawBot, reached, short } from './raw-bot.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ leaseMs: 2_000 });
});
afterEach(() => fleet[Symbol.asyncDispose]());

const named =
  (name: Received['name']) =>
  (said: readonly Received[]): Received | undefined =>
    said.find((event) => event.name === name);

it('brings a task to a bot and reports each step once, in order, with ids that a resend repeats', async () => {
  const bot = fleet.bot({ botId: 'worker' });
  await bot.welcomed();
  const { taskId, orderId, messageId } = await fleet.request();

  const task = await bot.lease();
  expect(task).toEqual({ taskId, fence: 1 });
  bot.progress(task, reached(), { started: true });
  bot.progress(task, picked(2));
  bot.progress(task, short(1));
  const last = bot.result(task, { outcome: Outcome.SUCCEEDED });
  await bot.acknowledged(last);
  const succeeded = await fleet.until(orderId, named('bots.task_succeeded'));

  const said = fleet.said(orderId);
  expect(said.map(({ name }) => name)).toEqual([
    'bots.task_started',
    'bots.stop_reached',
    'bots.item_picked',
    'bots.item_short',
    'bots.task_succeeded',
  ]);
  expect(said.slice(0, 4).map(({ id }) => id)).toEqual(['started', 2, 3, 4].map((step) => `${taskId}:1:${step}`));
  expect(said.every(({ correlationId, causationId }) => correlationId === orderId && causationId === messageId)).toBe(
    true,
  );
  expect(said.every(({ task: mark }) => mark?.id === taskId && mark.fence === 1)).toBe(true);
  expect(succeeded.body).toMatchObject({
    task: { taskId, orderId, kind: 'shop', attempt: 1, fence: 1, botId: 'worker' },
  });

  // The acknowledgement was lost: the bot says it again.
  bot.result(task, { outcome: Outcome.SUCCEEDED });
  await bot.acknowledged(last + 1);
  expect(fleet.said(orderId)).toHaveLength(5);
  expect(bot.frames.some(({ body }) => body?.$case === 'nack')).toBe(false);
});

it('takes a redelivered task once', async () => {
  const bot = fleet.bot();
  await bot.welcomed();
  const asked = await fleet.request();
  await fleet.request({ taskId: asked.taskId, orderId: asked.orderId });
  const task = await bot.lease();
  await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED }));
  const tasks = await fleet.tasks({ orderId: asked.orderId });
  expect(tasks).toMatchObject([{ taskId: asked.taskId, state: 'SUCCEEDED', attempt: 1 }]);
});

it('gives a task to the nearest bot with room', async () => {
  const near = fleet.bot({ position: { x: 10, y: 0 } });
  const far = fleet.bot({ position: { x: 90, y: 0 } });
  await Promise.all([near.welcomed(), far.welcomed()]);
  const first = await fleet.request({ position: { x: 0, y: 0 } });
  expect((await near.lease()).taskId).toBe(first.taskId);
  const second = await fleet.request({ position: { x: 0, y: 0 } });
  expect((await far.lease()).taskId).toBe(second.taskId);
});

it('offers a task that only one bot may have to that bot alone, also when others are nearer and have room', async () => {
  const near = fleet.bot({ position: { x: 0, y: 0 } });
  await near.welcomed();
  const deadline = new Date(Date.now() + 3_600_000);
  const pinned = await fleet.request({ position: { x: 0, y: 0 }, onlyBotId: 'holder', deadline });
  // Behind it in the queue, and not held up by it.
  const other = await fleet.request({ position: { x: 0, y: 0 } });
  expect((await near.lease()).taskId).toBe(other.taskId);
  const holder = fleet.bot({ botId: 'holder', position: { x: 90, y: 0 } });
  await holder.welcomed();
  expect((await holder.next('offer')).value).toMatchObject({ taskId: pinned.taskId, deadline });
  const tasks = await fleet.tasks({ orderId: pinned.orderId, openOnly: true });
  expect(tasks).toMatchObject([{ onlyBotId: 'holder', deadline }]);
});

it('does not offer a task whose deadline has passed, and says that it has failed', async () => {
  const late = await fleet.request({ deadline: new Date(Date.now() - 1_000) });
  const inTime = await fleet.request();
  const bot = fleet.bot();
  await bot.welcomed();
  expect((await bot.lease()).taskId).toBe(inTime.taskId);
  const failed = await fleet.until(late.orderId, named('bots.task_failed'));
  expect(failed.body).toMatchObject({ reason: expect.stringContaining('its deadline has passed') });
  expect(bot.frames.some(({ body }) => body?.$case === 'offer' && body.value.taskId === late.taskId)).toBe(false);
});

it('takes the more urgent task first, and of equals the older one', async () => {
  const ids = [];
  for (const priority of [0, 5, 5, -1]) ids.push((await fleet.request({ priority })).taskId);
  const bot = fleet.bot({ credits: [{ kind: 'shop', amount: 1 }] });
  await bot.welcomed();
  const taken = [];
  for (let n = 0; n < ids.length; n++) {
    const task = await bot.lease();
    taken.push(task.taskId);
    await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED }));
  }
  expect(taken).toEqual([ids[1], ids[2], ids[0], ids[3]]);
});

it('asks another bot when one declines, under a higher fence and in the same attempt', async () => {
  const lazy = fleet.bot({ position: { x: 0, y: 0 } });
  await lazy.welcomed();
  const { taskId, orderId } = await fleet.request({ position: { x: 0, y: 0 } });
  const { value: offer } = await lazy.next('offer');
  const eager = fleet.bot({ position: { x: 50, y: 0 } });
  await eager.welcomed();
  lazy.reply(offer, false);
  const { value: again } = await eager.next('offer');
  expect(again).toMatchObject({ taskId, fence: offer.fence + 1, attempt: 1 });
  eager.reply(again, true);
  await eager.next('lease');
  await eager.acknowledged(eager.result(again, { outcome: Outcome.SUCCEEDED }));
  const succeeded = await fleet.until(orderId, named('bots.task_succeeded'));
  expect(succeeded.task?.fence).toBe(2);
});

it('tries a failed task again while that may help, then gives up and says so', async () => {
  const bot = fleet.bot();
  await bot.welcomed();
  const { taskId, orderId } = await fleet.request({ maxAttempts: 2 });
  const first = await bot.lease();
  bot.result(first, { outcome: Outcome.FAILED, reason: 'wheel\0 stuck', retryable: true });
  const lost = await fleet.until(orderId, named('bots.task_lost'));
  expect(lost).toMatchObject({
    task: { id: taskId, fence: 2 },
    body: { lostFence: 1, reason: 'wheel stuck', task: { attempt: 2 } },
  });
  const second = await bot.lease();
  expect(second.fence).toBe(3);
  bot.result(second, { outcome: Outcome.FAILED, reason: 'wheel lost', retryable: true });
  const failed = await fleet.until(orderId, named('bots.task_failed'));
  expect(failed.body).toMatchObject({ task: { taskId, attempt: 2, fence: 3 }, reason: 'wheel lost' });
  const tasks = await fleet.tasks({ orderId });
  expect(tasks).toMatchObject([{ taskId, state: 'FAILED', attempt: 2 }]);
});

it.each([
  ['an unknown digest', { schema: { kind: 'shop', revision: 9, digest: 'sha256:none' } }, 'schema is kind "shop"'],
  ['an unknown kind', { schema: { kind: 'dance', revision: 1, digest: 'sha256:none' } }, 'schema is kind "dance"'],
  ['a malformed id', { taskId: 'seven' }, 'task_id is "seven"'],
  ['an impossible priority', { priority: 201 }, 'priority is 201'],
  ['an impossible deadline', { deadline: new Date('+012000-01-01T00:00:00Z') }, 'deadline is out of range'],
  ['an impossible bot', { onlyBotId: 'the red one' }, 'only_bot_id is "the red one"'],
])('stores a task with %s as poison and tells Depot', async (_, task, reason) => {
  const { orderId } = await fleet.request(task);
  const failed = await fleet.until(orderId, named('bots.task_failed'));
  expect(failed.body).toMatchObject({ reason: expect.stringContaining(reason) });
  const tasks = await fleet.tasks({ orderId });
  expect(tasks.every(({ state }) => state === 'POISON')).toBe(true);
  expect(await fleet.tasks({ orderId, openOnly: true })).toEqual([]);
});

it('stores a body that cannot be decoded as poison under the message id', async () => {
  const { orderId, messageId } = await fleet.request({}, { body: Buffer.from('ffff', 'hex') });
  const failed = await fleet.until(orderId, named('bots.task_failed'));
  expect(failed.task?.id).toBe(messageId);
});

it('hangs offer, bot and events under the span that took the task in', async () => {
  const metadata = new Metadata();
  for (const key of ['traceparent', 'tracestate', 'baggage']) metadata.set(key, 'is_admin=true');
  const bot = new RawBot(fleet.hub.address!, { botId: 'traced' }, metadata);
  onTestFinished(() => bot.cut());
  await bot.welcomed();
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const { orderId } = await fleet.request({}, { traceparent });
  const { frame, value: offer } = await bot.next('offer');
  bot.reply(offer, true);
  const leased = await bot.next('lease');
  const botSpan = '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01';
  bot.progress(offer, picked(), { started: true, traceparent: botSpan });
  await bot.acknowledged(bot.result(offer, { outcome: Outcome.SUCCEEDED }, { traceparent: botSpan }));
  await fleet.until(orderId, named('bots.task_succeeded'));

  // Heard of before the span of its sending has ended.
  const spans = await vi.waitFor(() => {
    const ended = fleet.telemetry.spans().filter(({ attributes }) => attributes['mallbots.order_id'] === orderId);
    expect(ended.map(({ name }) => name)).toContain('send bots.events:bots.task_succeeded');
    return ended;
  });
  const one = (name: string) => spans.find((span) => span.name === name)!;
  const parentOf = (name: string) => one(name).parentSpanContext?.spanId;
  const idOf = (name: string) => one(name).spanContext().spanId;
  const taken = 'process depot.tasks:hub.tasks';
  expect(parentOf(taken)).toBe('b7ad6b7169203331');
  expect(one(taken).attributes).toMatchObject({ 'mallbots.task_id': offer.taskId });
  expect(parentOf('offer shop')).toBe(idOf(taken));
  expect(parseTraceparent(frame.traceparent)?.spanId).toBe(idOf('offer shop'));
  // This bot answers the offer without a trace context.
  expect(parentOf('lease shop')).toBe(idOf(taken));
  expect(parseTraceparent(leased.frame.traceparent)?.spanId).toBe(idOf('lease shop'));
  expect(parentOf('result shop')).toBe('00f067aa0ba902b7');
  expect(parentOf('send bots.events:bots.task_started')).toBe('00f067aa0ba902b7');
  expect(parentOf('send bots.events:bots.item_picked')).toBe('00f067aa0ba902b7');
  expect(parentOf('send bots.events:bots.task_succeeded')).toBe(idOf('result shop'));
  for (const span of spans.filter(({ name }) => name !== taken))
    expect(span.attributes).toMatchObject({ 'mallbots.bot_id': 'traced', 'mallbots.fence': 1 });
  // Nothing of the stream's metadata comes into the traces: context is each message's own.
  expect(spans.filter((span) => span.spanContext().traceState !== undefined)).toEqual([]);
  expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(
    new Set(['0af7651916cd43dd8448eb211c80319c']),
  );
});

import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Fleet, startFleet } from './fleet.ts';
import { picked } from './raw-bot.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({
    leaseMs: 1_000,
    logLevel: 'debug',
    environment: { MALLBOTS_HUB_REFUSALS_PER_SECOND: '5' },
  });
});
afterEach(() => fleet[Symbol.asyncDispose]());

/** The first line that says so, as soon as it is there. */
async function line(msg: string, about: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const found = () =>
    fleet.telemetry
      .logs()
      .find((each) => each.msg === msg && Object.entries(about).every(([key, value]) => each[key] === value));
  await expect.poll(found, { timeout: 20_000 }).toBeDefined();
  return found()!;
}

it('names bot, session and epoch when a session opens and closes, below what an operator reads', async () => {
  const bot = fleet.bot({ botId: 'seen' });
  const { sessionId, hubId } = await bot.welcomed();
  const about = {
    'mallbots.hub_id': hubId,
    'mallbots.bot_id': 'seen',
    'mallbots.session_id': sessionId,
    'mallbots.epoch': 1,
    peer: expect.stringContaining('127.0.0.1'),
    level: 'debug',
  };
  expect(await line('session opened')).toMatchObject({ ...about, kept: 0, held: 0, resumed: false });
  bot.cut();
  expect(await line('session closed')).toMatchObject({ ...about, code: 'OK' });
});

it('warns of a session that is cut for what it sent, and names who was refused one and why', async () => {
  const bot = fleet.bot({ botId: 'taken' });
  const { sessionId } = await bot.welcomed();
  const twin = fleet.bot({ botId: 'taken', instanceId: randomUUID() });
  twin.sayHello();
  await twin.status;
  expect(await line('session refused')).toMatchObject({
    level: 'info',
    'mallbots.bot_id': 'taken',
    instance: twin.hello.instanceId,
    code: 'ALREADY_EXISTS',
    reason: 'BOT_CONNECTED',
    detail: expect.stringContaining('hello.bot_id "taken"'),
  });
  for (let n = 0; n < 1_000; n += 1) bot.send(undefined);
  await bot.status;
  expect(await line('session closed')).toMatchObject({
    level: 'warn',
    'mallbots.session_id': sessionId,
    code: 'RESOURCE_EXHAUSTED',
    reason: 'REFUSAL_RATE_EXCEEDED',
  });
});

it('names the frame that is refused, with the task, order and trace that it is about', async () => {
  const bot = fleet.bot({ botId: 'wrong' });
  const { sessionId } = await bot.welcomed();
  const { taskId, orderId } = await fleet.request({}, { traceparent });
  const task = await bot.lease();
  const seq = bot.progress({ ...task, fence: 9 }, picked());
  expect(await line('frame refused')).toMatchObject({
    level: 'warn',
    'mallbots.bot_id': 'wrong',
    'mallbots.session_id': sessionId,
    'mallbots.epoch': 1,
    'mallbots.task_id': taskId,
    'mallbots.fence': 9,
    'mallbots.order_id': orderId,
    'mallbots.correlation_id': orderId,
    'mallbots.attempt': 1,
    trace_id: traceId,
    frame: 'progress',
    seq,
    reason: 'FIELD_INVALID',
    detail: expect.stringContaining('fence is 9'),
  });
});

it('says of a task that it is offered, leased, suspect and lost, who had it, under which fence, and why', async () => {
  const bot = fleet.bot({ botId: 'gone' });
  const { sessionId } = await bot.welcomed();
  const { taskId, orderId } = await fleet.request({ maxAttempts: 2 }, { traceparent });
  await bot.lease();
  const about = {
    'mallbots.bot_id': 'gone',
    'mallbots.session_id': sessionId,
    'mallbots.task_id': taskId,
    'mallbots.fence': 1,
    'mallbots.attempt': 1,
    'mallbots.order_id': orderId,
    'mallbots.correlation_id': orderId,
    trace_id: traceId,
  };
  expect(await line('task offered')).toMatchObject({ level: 'debug', kind: 'shop', ...about });
  expect(await line('report taken')).toMatchObject({ level: 'debug', step: 'lease', state: 'LEASED', ...about });
  bot.cut();
  const suspect = { level: 'info', ...about, was: 'LEASED', is: 'SUSPECT', why: 'expired' };
  expect(await line('task is suspect')).toMatchObject(suspect);
  const { 'mallbots.session_id': _, ...withoutSession } = about;
  expect(await line('task lost')).toMatchObject({
    level: 'warn',
    ...withoutSession,
    was: 'SUSPECT',
    is: 'QUEUED',
    why: 'expired',
  });

  const late = await fleet.request({ deadline: new Date(Date.now() - 1_000) }, { traceparent });
  expect(await line('task given up', { 'mallbots.task_id': late.taskId })).toMatchObject({
    level: 'warn',
    trace_id: traceId,
    was: 'QUEUED',
    is: 'POISON',
    why: 'overdue',
    reason: expect.stringContaining('its deadline has passed'),
  });
});

it('says of a task that nobody can do which it is, and what is wrong with it', async () => {
  const { taskId, orderId, messageId } = await fleet.request({ priority: 201 }, { traceparent });
  expect(await line('task refused')).toMatchObject({
    level: 'error',
    'mallbots.task_id': taskId,
    'mallbots.order_id': orderId,
    message: messageId,
    trace_id: traceId,
    reason: expect.stringContaining('priority is 201'),
  });
});

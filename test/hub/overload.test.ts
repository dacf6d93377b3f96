import { afterEach, beforeEach, expect, it } from 'vitest';
import { Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked, reached } from './raw-bot.ts';

const maxWaitingFrames = 32;
const maxUnacknowledged = 16;

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({
    environment: {
      MALLBOTS_HUB_MAX_WAITING_FRAMES: String(maxWaitingFrames),
      MALLBOTS_HUB_MAX_UNACKNOWLEDGED: String(maxUnacknowledged),
      MALLBOTS_HUB_FRAMES_PER_SECOND: '100',
    },
  });
});
afterEach(() => fleet[Symbol.asyncDispose]());

const status = () => fleet.admin.getHubStatus({});

async function working(botId: string) {
  const bot = fleet.bot({ botId });
  await bot.welcomed();
  const { orderId } = await fleet.request();
  const task = await bot.lease();
  await bot.acknowledged(bot.progress(task, reached(), { started: true }));
  return { bot, task, orderId };
}

it('bounds what waits while the broker stalls, holds back who floods, and hears the others', async () => {
  const flooder = await working('flooder');
  const healthy = await working('healthy');
  healthy.bot.keepBeating([healthy.task]);
  const confirm = fleet.withholdConfirms();

  // Less than the rate, far more than may wait.
  for (let n = 0; n < 90; n++) flooder.bot.progress(flooder.task, picked());
  const { value: told } = await flooder.bot.next('credit');
  expect(told).toMatchObject({ kind: '' });
  expect(told.amount).toBeLessThan(maxUnacknowledged);
  await expect.poll(async () => (await status()).pausedStreams, { timeout: 20_000 }).toBe(1);
  expect((await status()).waitingFrames).toBeLessThanOrEqual(maxWaitingFrames);
  expect(await fleet.counted('mallbots.hub.reading.paused', 'HUB')).toBeGreaterThan(0);

  // What needs no broker is done meanwhile.
  await healthy.bot.acknowledged(healthy.bot.result(healthy.task, { outcome: Outcome.SUCCEEDED }));

  confirm();
  await flooder.bot.acknowledged(flooder.bot.seq);
  await expect.poll(status, { timeout: 20_000 }).toMatchObject({
    waitingFrames: 0,
    waitingBytes: 0,
    pausedStreams: 0,
    window: maxUnacknowledged,
  });
  expect(flooder.bot.frames.findLast(({ body }) => body?.$case === 'credit')?.body).toMatchObject({
    value: { amount: maxUnacknowledged },
  });
});

it('makes who floods it with telemetry wait, costs it no stream, and keeps the newest', async () => {
  const { bot, task } = await working('chatty');
  for (let n = 1; n <= 500; n++) {
    const value = { sampledAt: new Date(), position: { x: n, y: 0 }, gauges: {} };
    bot.send({ $case: 'telemetry', value }, { seq: 0 });
  }
  await bot.acknowledged(bot.progress(task, picked()));
  expect(await fleet.counted('mallbots.hub.reading.paused', 'TELEMETRY')).toBeGreaterThan(0);

  // Of all of them the newest is kept, and goes into the table with the heartbeat, which says nothing of a place here.
  const beat = { sentAt: new Date(), position: undefined, battery: 0.5, heldTasks: [{ ...task, finished: false }] };
  bot.send({ $case: 'heartbeat', value: beat }, { seq: 0 });
  const view = async () => (await fleet.bots()).find(({ botId }) => botId === bot.hello.botId);
  await expect.poll(view, { timeout: 20_000 }).toMatchObject({ position: { x: 500, y: 0 }, battery: 0.5 });
});

it('ends the stream of who floods it at a hundred times the rate, and keeps its task for it', async () => {
  const { bot, task } = await working('flooder');
  const healthy = await working('healthy');
  for (let n = 0; n < 10_000; n++) bot.heartbeat([task]);
  expect(await bot.status).toMatchObject({ code: 8, details: expect.stringContaining('frames a second') });
  await healthy.bot.acknowledged(healthy.bot.progress(healthy.task, picked()));
  const tasks = await fleet.tasks({ openOnly: true });
  expect(tasks.find(({ taskId }) => taskId === task.taskId)).toMatchObject({ fence: task.fence, attempt: 1 });
});

import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Outcome, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { maxRetainedFrames } from '../../src/hub/limits.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked, type RawHello } from './raw-bot.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(() => fleet[Symbol.asyncDispose]());

const identity = () => ({ botId: `bot-${randomUUID().slice(0, 8)}`, instanceId: randomUUID() });

/** A bot with a lease and an acknowledged report, cut off; and what it says when it is back. */
async function cutOff() {
  const { orderId } = await fleet.request();
  const self = identity();
  const bot = fleet.bot(self);
  const welcome = await bot.welcomed();
  const task = await bot.lease();
  const lease = bot.frames.find(({ body }) => body?.$case === 'lease')!;
  const reported = bot.progress(task, picked(2), { started: true });
  await bot.acknowledged(reported);
  bot.cut();
  await fleet.disconnected(self.botId);
  const back: RawHello = {
    ...self,
    resumeToken: welcome.resumeToken,
    lastHubSeq: lease.seq,
    heldTasks: [{ ...task, finished: false }],
  };
  return { welcome, task, lease, reported, back, orderId };
}

it('goes on where it stopped: same session, next epoch, and the bot sends only what is not durable', async () => {
  const { welcome, task, reported, back, orderId } = await cutOff();
  const bot = fleet.bot(back);
  expect(await bot.welcomed()).toMatchObject({
    sessionId: welcome.sessionId,
    epoch: 2,
    resumed: true,
    lastBotSeq: reported,
    verdicts: [{ ...task, verdict: Verdict.CONTINUE }],
  });
  bot.seq = reported;
  await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED }));
  await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_succeeded'));
  expect(fleet.said(orderId).map(({ name }) => name)).toEqual([
    'bots.task_started',
    'bots.item_picked',
    'bots.task_succeeded',
  ]);
});

it('brings the lease again, under its number, to a bot that has not seen it', async () => {
  const { task, lease, back } = await cutOff();
  const bot = fleet.bot({ ...back, lastHubSeq: lease.seq - 1 });
  expect(await bot.welcomed()).toMatchObject({ resumed: true });
  const again = await bot.next('lease');
  expect(again).toMatchObject({ frame: { seq: lease.seq }, value: task });
  bot.end();
});

it('starts with the full state when more was said than is kept: nothing of the task is lost', async () => {
  const { welcome, task, lease, back, orderId } = await cutOff();
  const bot = fleet.bot(back);
  const second = await bot.welcomed();
  bot.seq = second.lastBotSeq;
  // Each refusal of a numbered frame is kept until it is acknowledged, which this bot never does.
  for (let n = 0; n <= maxRetainedFrames; n++) bot.send(undefined);
  await bot.acknowledged(bot.seq);
  bot.cut();
  await fleet.disconnected(back.botId!);
  const third = fleet.bot({ ...back, resumeToken: second.resumeToken, lastHubSeq: lease.seq });
  expect(await third.welcomed()).toMatchObject({
    sessionId: welcome.sessionId,
    epoch: 3,
    resumed: false,
    lastBotSeq: 0,
    verdicts: [{ ...task, verdict: Verdict.CONTINUE }],
  });
  // From the start, as a bot that was told so does: what was heard already changes nothing.
  third.progress(task, picked(2), { seq: 2, started: true });
  await third.acknowledged(third.result(task, { outcome: Outcome.SUCCEEDED }));
  await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_succeeded'));
  expect(fleet.said(orderId).map(({ name }) => name)).toEqual([
    'bots.task_started',
    'bots.item_picked',
    'bots.task_succeeded',
  ]);
});

it('starts with the full state on another hub, in the same session', async () => {
  const { welcome, task, back } = await cutOff();
  const other = await fleet.addHub();
  const bot = fleet.bot(back, other);
  expect(await bot.welcomed()).toMatchObject({
    sessionId: welcome.sessionId,
    epoch: 2,
    resumed: false,
    lastBotSeq: 0,
    verdicts: [{ ...task, verdict: Verdict.CONTINUE }],
  });
  bot.end();
});

it.each([
  ['an unknown token', { resumeToken: Buffer.alloc(32, 7) }],
  ['no token', { resumeToken: Buffer.alloc(0) }],
])('starts a new session for %s; what the bot holds stays its own', async (_, more) => {
  const { welcome, task, back } = await cutOff();
  const bot = fleet.bot({ ...back, ...more });
  const anew = await bot.welcomed();
  expect(anew).toMatchObject({ epoch: 2, resumed: false, verdicts: [{ ...task, verdict: Verdict.CONTINUE }] });
  expect(anew.sessionId).not.toBe(welcome.sessionId);
  bot.end();
});

it('takes a token once: the one of an older epoch finds nothing', async () => {
  const { back } = await cutOff();
  const bot = fleet.bot(back);
  const second = await bot.welcomed();
  expect(second.resumed).toBe(true);
  bot.cut();
  await fleet.disconnected(back.botId!);
  const third = await fleet.bot(back).welcomed();
  expect(third).toMatchObject({ epoch: 3, resumed: false });
  expect(third.sessionId).not.toBe(second.sessionId);
});

it('is not resumed by another instance, which gets in at once', async () => {
  const { welcome, back } = await cutOff();
  const other = fleet.bot({ ...back, instanceId: randomUUID(), heldTasks: [] });
  const theirs = await other.welcomed();
  expect(theirs).toMatchObject({ epoch: 2, resumed: false });
  expect(theirs.sessionId).not.toBe(welcome.sessionId);
  other.cut();
});

it('says of a session without a stream that it waits', async () => {
  const { back, welcome } = await cutOff();
  const bots = await fleet.bots();
  expect(bots.find(({ botId }) => botId === back.botId)).toMatchObject({
    sessionState: 'DETACHED',
    sessionId: welcome.sessionId,
    connected: false,
  });
});

it.each([
  ['CONTINUE, and its result acknowledged', true, Verdict.CONTINUE],
  ['ABANDON, when it does not have the result that ended it', false, Verdict.ABANDON],
])(
  'says of a task that has ended, where the bot did not hear so and starts with its full state, %s',
  async (_, finished, verdict) => {
    const { orderId } = await fleet.request();
    const self = identity();
    const bot = fleet.bot(self);
    await bot.welcomed();
    const task = await bot.lease();
    const result = bot.result(task, { outcome: Outcome.SUCCEEDED });
    await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_succeeded'));
    bot.cut();

    const back = fleet.bot({ ...self, heldTasks: [{ ...task, finished }] }, await fleet.addHub());
    expect(await back.welcomed()).toMatchObject({ resumed: false, verdicts: [{ ...task, verdict }] });
    if (finished) await back.acknowledged(back.result(task, { outcome: Outcome.SUCCEEDED }, { seq: result }));
    expect(back.frames.some(({ body }) => body?.$case === 'nack')).toBe(false);
    expect(fleet.said(orderId).map(({ name }) => name)).toEqual(['bots.task_succeeded']);
  },
);

it('changes nothing on a stream whose bot has a newer one elsewhere, goodbye included', async () => {
  const { taskId } = await fleet.request();
  const self = identity();
  const bot = fleet.bot(self);
  await bot.welcomed();
  const task = await bot.lease();
  // As another hub does when the bot comes to it; the note that says so has not arrived here.
  await fleet.database.query((orm) =>
    orm.execute(sql`update hub.bots set epoch = epoch + 1, hub_id = 'other' where bot_id = ${self.botId}`),
  );
  const seq = bot.result(task, { outcome: Outcome.SUCCEEDED });
  expect((await bot.next('nack')).value).toMatchObject({ seq, message: expect.stringContaining('newer stream') });
  bot.send({ $case: 'goodbye', value: { reason: 'home' } }, { seq: 0 });
  await bot.status;
  const tasks = await fleet.tasks({ openOnly: true });
  expect(tasks.find((each) => each.taskId === taskId)).toMatchObject({ state: 'LEASED', fence: task.fence });
});

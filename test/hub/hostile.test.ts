import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NackReason, Outcome, Progress } from '../../src/gen/fleet/v1/fleet.ts';
import { nackReasonName } from '../../src/hub/refusal.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { type Assignment, picked, type RawBot, reached, shopSchema } from './raw-bot.ts';

let fleet: Fleet;
let bot: RawBot;
let task: Assignment;
let orderId: string;
beforeAll(async () => {
  fleet = await startFleet();
  bot = fleet.bot();
  await bot.welcomed();
  ({ orderId } = await fleet.request());
  const { value: offer } = await bot.next('offer');
  task = { taskId: offer.taskId, fence: offer.fence };
});
afterAll(() => fleet[Symbol.asyncDispose]());

/** The next Nack, which has to name the frame. */
async function refusal(seq: number) {
  const { value } = await bot.next('nack');
  expect(value.seq).toBe(seq);
  return value;
}

describe('each of these is refused by name, and the stream lives:', () => {
  it('a report before the lease', async () => {
    const nack = await refusal(bot.progress(task, picked(), { started: true }));
    expect(nack).toMatchObject({ reason: NackReason.WRONG_STATE, taskId: task.taskId, fence: 1 });
    expect(nack.message).toContain('OFFERED');
  });

  it('bytes that are no frame', async () => {
    bot.sendBytes(Buffer.from('0affffffff0f', 'hex'));
    expect((await refusal(0)).reason).toBe(NackReason.MALFORMED);
  });

  it('bytes that happen to be an empty frame', async () => {
    bot.sendBytes(Buffer.alloc(0));
    expect((await refusal(0)).reason).toBe(NackReason.BODY_UNSET);
  });

  it('a numbered frame without a body, which is acknowledged in its turn', async () => {
    const seq = bot.send(undefined);
    expect((await refusal(seq)).reason).toBe(NackReason.BODY_UNSET);
    await bot.acknowledged(seq);
  });

  it('an acceptance under a fence that was never given', async () => {
    const seq = bot.reply({ ...task, fence: 99 }, true);
    expect(await refusal(seq)).toMatchObject({
      reason: NackReason.FIELD_INVALID,
      message: expect.stringContaining('fence is 99'),
    });
  });

  it('a report about a task that does not exist, once the lease is there', async () => {
    bot.reply(task, true);
    await bot.next('lease');
    const seq = bot.progress({ taskId: randomUUID(), fence: 1 }, picked());
    expect((await refusal(seq)).reason).toBe(NackReason.UNKNOWN_TASK);
  });

  it('a malformed task id', async () => {
    const seq = bot.progress({ taskId: "1' or \0", fence: 1 }, picked());
    expect(await refusal(seq)).toMatchObject({
      reason: NackReason.FIELD_INVALID,
      message: expect.stringContaining('task_id'),
    });
  });

  it('a report without a number', async () => {
    bot.progress(task, picked(), { seq: 0 });
    expect(await refusal(0)).toMatchObject({
      reason: NackReason.FIELD_INVALID,
      message: expect.stringContaining('seq is 0'),
    });
  });

  it('a payload that is not of the schema', async () => {
    const value = Progress.fromPartial({ ...task, schema: shopSchema, payload: Buffer.from('ffffff', 'hex') });
    const seq = bot.send({ $case: 'progress', value });
    expect((await refusal(seq)).reason).toBe(NackReason.PAYLOAD_UNDECODABLE);
  });

  it('a payload that says nothing', async () => {
    const seq = bot.progress(task, undefined);
    expect((await refusal(seq)).reason).toBe(NackReason.PAYLOAD_UNDECODABLE);
  });

  it('a payload in a schema that the task is not pinned to', async () => {
    const schema = { ...shopSchema, digest: `sha256:${'0'.repeat(64)}` };
    const seq = bot.send({ $case: 'progress', value: Progress.fromPartial({ ...task, schema }) });
    expect((await refusal(seq)).reason).toBe(NackReason.UNKNOWN_SCHEMA);
    expect((await refusal(bot.result(task, { outcome: Outcome.SUCCEEDED, schema }))).reason).toBe(
      NackReason.UNKNOWN_SCHEMA,
    );
  });

  it('a quantity that cannot be', async () => {
    const seq = bot.progress(task, picked(0));
    expect(await refusal(seq)).toMatchObject({
      reason: NackReason.FIELD_INVALID,
      message: expect.stringContaining('item_picked.quantity is "0"'),
    });
  });

  it('an instant that no calendar has', async () => {
    const occurredAt = new Date('+010000-01-01T00:00:00Z');
    const seq = bot.send({
      $case: 'progress',
      value: Progress.fromPartial({ ...task, schema: shopSchema, occurredAt }),
    });
    expect((await refusal(seq)).message).toContain('occurred_at');
  });

  it('an outcome that nobody asked for', async () => {
    const seq = bot.result(task, { outcome: Outcome.CANCELLED });
    expect((await refusal(seq)).reason).toBe(NackReason.WRONG_STATE);
    expect((await refusal(bot.result(task, { outcome: Outcome.UNSPECIFIED }))).reason).toBe(NackReason.FIELD_INVALID);
  });

  it('a charge above full, a credit for a kind that the bot does not serve', async () => {
    bot.heartbeat([task], { battery: 2 });
    expect((await refusal(0)).message).toContain('heartbeat.battery');
    bot.send({ $case: 'credit', value: { kind: 'dance', amount: 1 } }, { seq: 0 });
    expect((await refusal(0)).message).toContain('credit.kind');
  });

  it('a heartbeat for a task that the bot has not', async () => {
    const stranger = { taskId: randomUUID(), fence: 4 };
    bot.heartbeat([task, stranger]);
    expect(await refusal(0)).toMatchObject({ reason: NackReason.STALE_FENCE, ...stranger });
  });
});

it('each of them is counted under its reason', async () => {
  const reasons = bot.frames.flatMap(({ body }) => (body?.$case === 'nack' ? [nackReasonName(body.value.reason)] : []));
  const times = new Map([...Map.groupBy(reasons, (reason) => reason)].map(([reason, those]) => [reason, those.length]));
  expect([...times.keys()].sort()).toEqual([
    'BODY_UNSET',
    'FIELD_INVALID',
    'MALFORMED',
    'PAYLOAD_UNDECODABLE',
    'STALE_FENCE',
    'UNKNOWN_SCHEMA',
    'UNKNOWN_TASK',
    'WRONG_STATE',
  ]);
  for (const [reason, count] of times) expect(await fleet.counted('mallbots.hub.frames.refused', reason)).toBe(count);
});

it('none of it was published, and the task goes on', async () => {
  expect(fleet.said(orderId)).toEqual([]);
  await bot.acknowledged(bot.progress(task, reached(), { started: true }));
  expect(fleet.said(orderId).map(({ name }) => name)).toEqual(['bots.task_started', 'bots.stop_reached']);
});

it('a flood costs the stream, and only that', async () => {
  const flooder = fleet.bot();
  await flooder.welcomed();
  for (let sent = 0; sent < 10_000; sent++) flooder.heartbeat([]);
  expect(await flooder.status).toMatchObject({ code: 8, details: expect.stringContaining('frames a second') });
  await bot.acknowledged(bot.progress(task, picked()));
});

it('a frame beyond the agreed size costs the stream, and only that', async () => {
  const bloated = fleet.bot();
  const { maxFrameBytes } = await bloated.welcomed();
  bloated.sendBytes(Buffer.alloc(maxFrameBytes + 1));
  expect((await bloated.status).code).toBe(8);
  await fleet.disconnected(bloated.hello.botId);
  await bot.acknowledged(bot.progress(task, picked()));
});

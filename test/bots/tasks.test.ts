import { describe, expect, it } from 'vitest';
import { TaskAborted, TaskFailed } from '../../bots/sdk/index.ts';
import { NackReason, Outcome, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { ShopProgress, ShopResult } from '../../src/gen/kinds/shop/v1/shop.ts';
import type { ScriptedSession } from '../support/scripted-hub.ts';
import { emptyTask, gate, hubAndBot, nothingPicked, patient, reached, type ShopHandler, schema } from './robot.ts';

/** Works until it is aborted; `aborted` resolves with the reason then. */
function untilAborted() {
  const started = gate();
  const aborted = Promise.withResolvers<TaskAborted>();
  const handler: ShopHandler = async (task) => {
    started.resolve();
    await new Promise((resolve) => task.signal.addEventListener('abort', resolve, { once: true }));
    aborted.resolve(task.signal.reason);
    throw task.signal.reason;
  };
  return { started: started.promise, aborted: aborted.promise, handler };
}

describe('a task', () => {
  it('starts after its lease, reports that, its steps and then one result, numbered 1, 2, 3', async () => {
    const log: string[] = [];
    const { hub } = await hubAndBot(async (task) => {
      log.push('started');
      await task.progress(reached(0));
      await task.progress(reached(1));
      return { lines: [{ lineId: 'l', picked: 2, short: 1 }], walkedMetres: 40 };
    });
    const session = await hub.nextSession();
    await session.welcome();
    session.offer({ ...emptyTask, taskId: 't', fence: 9 });
    await expect(session.next('offerReply')).resolves.toMatchObject({
      seq: 1,
      body: { taskId: 't', fence: 9, accepted: true },
    });
    expect(log).toEqual([]);
    session.lease('t', 9);
    session.lease('t', 9);
    const start = await session.nextStart({ taskId: 't', fence: 9 });
    expect(start).toMatchObject({ seq: 2, body: { schema } });
    expect(start.body.occurredAt).toBeInstanceOf(Date);
    const first = await session.next('progress');
    expect(first).toMatchObject({ seq: 3, body: { taskId: 't', fence: 9, schema, started: false } });
    expect(ShopProgress.decode(first.body.payload)).toMatchObject(reached(0));
    expect(first.body.occurredAt).toBeInstanceOf(Date);
    await expect(session.next('progress')).resolves.toMatchObject({ seq: 4, body: { started: false } });
    const result = await session.next('result');
    expect(result).toMatchObject({
      seq: 5,
      body: { taskId: 't', fence: 9, outcome: Outcome.SUCCEEDED, schema, reason: '' },
    });
    expect(ShopResult.decode(result.body.payload)).toMatchObject({
      walkedMetres: 40,
      lines: [{ picked: 2, short: 1 }],
    });
    session.lease('t', 9);
    await expect(session.assign({ ...emptyTask, taskId: 'next' })).resolves.toMatchObject({ seq: 7 });
    await expect(session.next('progress')).resolves.toMatchObject({ seq: 8, body: { taskId: 'next' } });
    expect(log).toEqual(['started', 'started']);
  });

  it('has the order, the attempt, the fence and the decoded payload', async () => {
    const seen = Promise.withResolvers<object>();
    const { hub } = await hubAndBot(async ({ id, attempt, fence, orderId, payload }) => {
      seen.resolve({ id, attempt, fence, orderId, of: payload.orderId });
      return nothingPicked;
    });
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't', attempt: 2, fence: 8 });
    await expect(seen.promise).resolves.toEqual({ id: 't', attempt: 2, fence: 8, orderId: 'order-1', of: 'order-1' });
  });

  it('that fails says why, and whether another bot may try', async () => {
    const { hub } = await hubAndBot(async () => {
      throw new TaskFailed({ reason: 'the shop is closed', retryable: false });
    });
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't' });
    const { body } = await session.next('result');
    expect(body).toMatchObject({ outcome: Outcome.FAILED, reason: 'the shop is closed', retryable: false });
  });

  it.each<[string, unknown, string]>([
    ['an error', new TypeError('a wheel fell off'), 'a wheel fell off'],
    ['null', null, 'null'],
    ['what has no string', Object.create(null), '[Object: null prototype] {}'],
  ])('whose handler throws anything else may be tried by another bot: %s', async (_, thrown, reason) => {
    const { hub } = await hubAndBot(async () => {
      throw thrown;
    });
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't' });
    const { body } = await session.next('result');
    expect(body).toMatchObject({ outcome: Outcome.FAILED, reason, retryable: true });
  });

  it('that the hub cancels is stopped, and both the reply and the result say so', async () => {
    const { handler, started, aborted } = untilAborted();
    const { hub } = await hubAndBot(handler);
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't' });
    await started;
    session.send({ $case: 'cancel', value: { taskId: 't', fence: 1, reason: 'the shopper went home' } });
    await expect(aborted).resolves.toMatchObject({ why: 'cancelled' });
    await expect(session.next('cancelReply')).resolves.toMatchObject({
      body: { taskId: 't', fence: 1, stopped: true },
    });
    const { body } = await session.next('result');
    expect(body.outcome).toBe(Outcome.CANCELLED);
    expect(body.reason).toContain('the shopper went home');
  });

  it('that is too large for the hub fails before it is sent', async () => {
    const { hub } = await hubAndBot(async (task) => {
      await task.progress({ step: { $case: 'stopReached', value: { storeId: 'x'.repeat(2_000), stopIndex: 0 } } });
      return nothingPicked;
    });
    const session = await hub.nextSession();
    await session.welcome({ maxFrameBytes: 2_048 });
    await session.assign({ ...emptyTask, taskId: 't' });
    const { body } = await session.next('result');
    expect(body).toMatchObject({
      outcome: Outcome.FAILED,
      retryable: false,
      reason: expect.stringContaining('the hub takes 1024'),
    });
  });
});

describe('a task whose start has no room in the outbox', () => {
  /** The offer's reply fills the outbox. */
  async function crowded(more: Parameters<ScriptedSession['welcome']>[0] = {}) {
    const worked: string[] = [];
    const { hub, bot } = await hubAndBot(
      async ({ id }) => {
        worked.push(id);
        return nothingPicked;
      },
      { outboxLimit: 1 },
    );
    const session = await hub.nextSession();
    await session.welcome(more);
    await session.grant({ ...emptyTask, taskId: 't' });
    // The answer to a lease that nobody awaits comes after whatever the granted one brought about.
    session.lease('unknown');
    await session.next('nack');
    expect(worked).toEqual([]);
    // The reply, and the start that waits.
    expect(bot.unacknowledged).toBe(2);
    return { session, bot, worked };
  }
  const cancel = { $case: 'cancel', value: { taskId: 't', fence: 1, reason: 'the shopper went home' } } as const;

  it('begins when there is room', async () => {
    const { session, worked } = await crowded();
    session.ack(1);
    await expect(session.nextStart({ taskId: 't' })).resolves.toMatchObject({ seq: 2 });
    session.ack(2);
    await expect(session.next('result')).resolves.toMatchObject({ seq: 3, body: { outcome: Outcome.SUCCEEDED } });
    expect(worked).toEqual(['t']);
  });

  it('never begins when it is cancelled meanwhile, and does not say that it did', async () => {
    const { session, worked } = await crowded();
    session.send(cancel);
    session.ack(1);
    await expect(session.next('cancelReply')).resolves.toMatchObject({ seq: 2, body: { stopped: true } });
    session.ack(2);
    await expect(session.next('result')).resolves.toMatchObject({ seq: 3, body: { outcome: Outcome.CANCELLED } });
    expect(worked).toEqual([]);
  });

  it('is not worked on when the frame that makes room cancels it', async () => {
    const { session, worked } = await crowded();
    session.send(cancel, { ack: 1 });
    await expect(session.nextStart({ taskId: 't' })).resolves.toMatchObject({ seq: 2 });
    session.ack(2);
    await expect(session.next('cancelReply')).resolves.toMatchObject({ seq: 3, body: { stopped: true } });
    session.ack(3);
    await expect(session.next('result')).resolves.toMatchObject({ seq: 4, body: { outcome: Outcome.CANCELLED } });
    expect(worked).toEqual([]);
  });

  it('is forgotten when it is lost meanwhile, and the credit is free again', async () => {
    const { session, worked } = await crowded();
    const nack = { seq: 0, reason: NackReason.STALE_FENCE, message: 'fence is 1, below 2', taskId: 't', fence: 1 };
    session.send({ $case: 'nack', value: nack }, { ack: 1 });
    await session.grant({ ...emptyTask, taskId: 'next' });
    session.ack(2);
    await expect(session.nextStart({ taskId: 'next' })).resolves.toMatchObject({ seq: 3 });
    session.ack(3);
    await expect(session.next('result')).resolves.toMatchObject({ body: { taskId: 'next' } });
    expect(worked).toEqual(['next']);
  });

  it('is handed back, not begun, by a bot that drains', async () => {
    const { session, bot, worked } = await crowded({ heartbeatInterval: { seconds: 0, nanos: 5_000_000 } });
    const drained = bot.drain({ deadlineMs: 1 });
    await expect
      .poll(async () => (await session.next('heartbeat')).body.heldTasks, patient)
      .toMatchObject([{ taskId: 't', finished: true }]);
    session.ack(1);
    const result = await session.next('result');
    expect(result).toMatchObject({ seq: 2, body: { outcome: Outcome.FAILED, retryable: true } });
    session.ack(2);
    await session.next('goodbye');
    await drained;
    expect(worked).toEqual([]);
  });
});

describe('an offer', () => {
  const idle: ShopHandler = async () => nothingPicked;

  it('beyond the credits is declined, and taken when there are more', async () => {
    const { handler, started } = untilAborted();
    const { hub, bot } = await hubAndBot(handler);
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't1' });
    await started;
    session.offer({ ...emptyTask, taskId: 't2' });
    const declined = await session.next('offerReply');
    expect(declined.body).toMatchObject({
      taskId: 't2',
      accepted: false,
      reason: expect.stringContaining('no credit'),
    });
    bot.setCredits('shop', 2);
    await expect(session.next('credit')).resolves.toMatchObject({ seq: 0, body: { kind: 'shop', amount: 2 } });
    session.offer({ ...emptyTask, taskId: 't3' });
    await expect(session.next('offerReply')).resolves.toMatchObject({ body: { taskId: 't3', accepted: true } });
  });

  it.each([
    ['of a kind that is not served', { schema: { ...schema, kind: 'dance' } }, 'kind "dance"'],
    ['in a revision that is not applied', { schema: { ...schema, digest: 'sha256:0' } }, 'digest "sha256:0"'],
  ])('%s is declined', async (_, more, reason) => {
    const { hub } = await hubAndBot(idle);
    const session = await hub.nextSession();
    await session.welcome();
    session.offer({ ...emptyTask, taskId: 't', ...more });
    const { body } = await session.next('offerReply');
    expect(body).toMatchObject({ accepted: false, reason: expect.stringContaining(reason) });
  });

  it('that cannot be decoded is refused by number, and declined', async () => {
    const { hub } = await hubAndBot(idle);
    const session = await hub.nextSession();
    await session.welcome();
    const seq = session.offer({ ...emptyTask, taskId: 't', payload: Buffer.from([0xff]) });
    await expect(session.next('nack')).resolves.toMatchObject({
      body: { seq, reason: NackReason.PAYLOAD_UNDECODABLE, taskId: 't' },
    });
    await expect(session.next('offerReply')).resolves.toMatchObject({ body: { accepted: false } });
  });

  it('that comes twice is answered twice the same way and worked on once', async () => {
    let runs = 0;
    const { handler } = untilAborted();
    const { hub } = await hubAndBot((task) => {
      runs += 1;
      return handler(task);
    });
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't1' });
    session.offer({ ...emptyTask, taskId: 't1' });
    await expect(session.next('offerReply')).resolves.toMatchObject({ seq: 3, body: { taskId: 't1', accepted: true } });
    session.lease('t1');
    session.offer({ ...emptyTask, taskId: 'other' });
    await session.next('offerReply');
    session.offer({ ...emptyTask, taskId: 'other' });
    await expect(session.next('offerReply')).resolves.toMatchObject({ body: { taskId: 'other', accepted: false } });
    expect(runs).toBe(1);
  });
});

describe('a task that is no longer this bot’s', () => {
  it('is abandoned by verdict: the handler is aborted, its reports are dropped', async () => {
    const { handler, started, aborted } = untilAborted();
    const refusal = Promise.withResolvers<unknown>();
    const { hub } = await hubAndBot(async (task) => {
      await task.progress(reached(0));
      try {
        return await handler(task);
      } finally {
        task.progress(reached(1)).catch(refusal.resolve);
      }
    });
    const first = await hub.nextSession();
    await first.welcome();
    await first.assign({ ...emptyTask, taskId: 't', fence: 4 });
    await first.next('progress');
    await started;
    hub.cutConnections();
    const second = await hub.nextSession();
    const hello = await second.welcome({ verdicts: [{ taskId: 't', fence: 4, verdict: Verdict.ABANDON }] });
    expect(hello.body.heldTasks).toMatchObject([{ taskId: 't', fence: 4, finished: false }]);
    await expect(aborted).resolves.toMatchObject({ why: 'lease-lost' });
    await expect(refusal.promise).resolves.toBeInstanceOf(TaskAborted);
    // The very next reliable frame is about the next task.
    second.offer({ ...emptyTask, taskId: 't', fence: 5 });
    await expect(second.next('offerReply')).resolves.toMatchObject({ body: { fence: 5, accepted: true } });
  });

  it('is ended by a Nack for a stale fence, which settles the frame too', async () => {
    const { handler, aborted } = untilAborted();
    const { hub, bot } = await hubAndBot(async (task) => {
      await task.progress(reached(0));
      return handler(task);
    });
    const nacks: string[] = [];
    bot.on('nack', ({ message }) => nacks.push(message));
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't', fence: 4 });
    const { seq } = await session.next('progress');
    session.ack(seq - 1);
    const nack = { seq, reason: NackReason.STALE_FENCE, message: 'fence is 4, below 5', taskId: 't', fence: 4 };
    session.send({ $case: 'nack', value: nack });
    await expect(aborted).resolves.toMatchObject({ why: 'lease-lost' });
    expect(nacks).toEqual(['fence is 4, below 5']);
    expect(bot.unacknowledged).toBe(0);
  });

  it('goes on when a Nack is about one frame only', async () => {
    const proceed = gate();
    const { hub, bot } = await hubAndBot(async (task) => {
      await task.progress(reached(0));
      await proceed.promise;
      return nothingPicked;
    });
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't' });
    const { seq } = await session.next('progress');
    bot.on('nack', () => proceed.resolve());
    const nack = { seq, reason: NackReason.FIELD_INVALID, message: 'store_id is "store"', taskId: 't', fence: 1 };
    session.send({ $case: 'nack', value: nack });
    await expect(session.next('result')).resolves.toMatchObject({ body: { outcome: Outcome.SUCCEEDED } });
  });

  it('is given up when the hub refuses that it was accepted, and the credit is free again', async () => {
    const { hub } = await hubAndBot(async () => nothingPicked);
    const session = await hub.nextSession();
    await session.welcome();
    session.offer({ ...emptyTask, taskId: 't', fence: 4 });
    const { seq } = await session.next('offerReply');
    const nack = { seq, reason: NackReason.WRONG_STATE, message: 'the offer ran out', taskId: 't', fence: 4 };
    session.send({ $case: 'nack', value: nack }, { ack: seq });
    await session.assign({ ...emptyTask, taskId: 'next' });
    await expect(session.next('result')).resolves.toMatchObject({ body: { taskId: 'next' } });
  });

  it('has failed when the hub cannot take its result, and is done with when it cannot take that either', async () => {
    const { hub, bot } = await hubAndBot(async () => nothingPicked);
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't' });
    const first = await session.next('result');
    const refusal = { reason: NackReason.FIELD_INVALID, message: 'walked_metres is "12"', taskId: 't', fence: 1 };
    session.send({ $case: 'nack', value: { ...refusal, seq: first.seq } }, { ack: first.seq });
    const second = await session.next('result');
    expect(second.body).toMatchObject({ outcome: Outcome.FAILED, retryable: false });
    expect(second.body.reason).toContain('walked_metres is "12"');
    session.send({ $case: 'nack', value: { ...refusal, seq: second.seq } });
    await bot.drain();
    expect(session.heard.filter(({ body }) => body?.$case === 'result')).toHaveLength(2);
  });

  it('that was never accepted is refused when its lease comes', async () => {
    const { hub } = await hubAndBot(async () => nothingPicked);
    const session = await hub.nextSession();
    await session.welcome();
    session.lease('unheard-of', 2);
    await expect(session.next('nack')).resolves.toMatchObject({
      body: { reason: NackReason.UNKNOWN_TASK, taskId: 'unheard-of', fence: 2 },
    });
  });
});

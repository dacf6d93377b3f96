import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type BotState, connectBot, HubRefused, NackReason, shopKind } from '../../bots/sdk/index.ts';
import { emptyTask, gate, hubAndBot, nothingPicked, patient, reached, schema } from './robot.ts';

const idle = async () => nothingPicked;

describe('the handshake', () => {
  it('says who the bot is and what it can do, and is ready once welcomed', async () => {
    const { hub, bot } = await hubAndBot(idle, { position: () => ({ x: 3, y: 4 }), bootCount: 7, credits: 2 });
    const session = await hub.nextSession();
    const hello = await session.welcome({ epoch: 5, sessionId: 'session-5' });
    await bot.ready();
    expect(hello.seq).toBe(0);
    expect(hello.body).toMatchObject({
      botId: 'bot-1',
      instanceId: bot.instanceId,
      bootCount: 7,
      kinds: [{ kind: 'shop', digests: [schema.digest] }],
      credits: [{ kind: 'shop', amount: 2 }],
      heldTasks: [],
      position: { x: 3, y: 4 },
    });
    expect(bot.state).toMatchObject({ at: 'ready', epoch: 5, hubId: 'hub-1', sessionId: 'session-5' });
  });

  it.each([
    ['UNAUTHENTICATED', status.UNAUTHENTICATED],
    ['INVALID_ARGUMENT', status.INVALID_ARGUMENT],
  ])('is given up when the hub answers %s, with an error that names it', async (name, code) => {
    const { hub, bot } = await hubAndBot(idle);
    (await hub.nextSession()).refuse(code, 'bot_id is "bot-1"; use another');
    const error = await bot.closed;
    expect(error).toBeInstanceOf(HubRefused);
    expect(error).toMatchObject({ code: name, message: expect.stringContaining('bot_id is "bot-1"; use another') });
    await expect(bot.ready()).rejects.toBe(error);
  });

  it('is tried again, and says why, while another instance holds the bot id', async () => {
    const states: BotState[] = [];
    const { hub, bot } = await hubAndBot(idle);
    bot.on('state', (state) => states.push(state));
    for (let refusal = 1; refusal <= 3; refusal += 1) {
      (await hub.nextSession()).refuse(status.ALREADY_EXISTS, 'another instance is connected');
    }
    await (await hub.nextSession()).welcome();
    await bot.ready();
    const reasons = states.filter((state) => state.at === 'waiting').map(({ reason }) => reason);
    expect(reasons).toEqual(Array(3).fill('ALREADY_EXISTS: another instance is connected'));
  });

  it('says in few words why nobody answers', async () => {
    // Nobody listens on port 1.
    const { bot } = await hubAndBot(idle, { hub: '127.0.0.1:1' });
    const reason = await new Promise<string>((resolve) => {
      bot.on('state', (state) => state.at === 'waiting' && resolve(state.reason));
    });
    expect(reason).toBe('UNAVAILABLE: connect ECONNREFUSED 127.0.0.1:1');
  });

  it('is tried again soon while another instance holds the bot id, however long ago that began', async () => {
    const reconnect = { firstMs: 60_000, maxMs: 60_000, factor: 1 };
    const { hub, bot } = await hubAndBot(idle, { reconnect });
    const waiting = new Promise<number>((resolve) => {
      bot.on('state', (state) => state.at === 'waiting' && resolve(state.retryInMs));
    });
    (await hub.nextSession()).refuse(status.ALREADY_EXISTS, 'another instance is connected');
    expect(await waiting).toBeLessThanOrEqual(2_000);
  });

  it('presents the resume token and the last hub seq of the session before', async () => {
    const { hub, bot } = await hubAndBot(idle);
    const first = await hub.nextSession();
    await first.welcome({ resumeToken: Buffer.from('token-1') });
    await bot.ready();
    const seq = first.offer({ ...emptyTask, taskId: 't', schema: { ...schema, kind: 'dance' } });
    await first.next('offerReply');
    hub.cutConnections();
    const hello = await (await hub.nextSession()).next('hello');
    expect(hello.body.resumeToken.toString()).toBe('token-1');
    expect(hello.body.lastHubSeq).toBe(seq);
    expect(hello.body.instanceId).toBe(bot.instanceId);
  });

  it('moves on to the next hub of the list when one cannot be reached', async () => {
    // Port 1 of the loopback: nobody listens there.
    const { hub } = await hubAndBot(idle, { hub: '127.0.0.1:1', random: () => 0 });
    const { bot } = await hubAndBot(idle, { hub: `127.0.0.1:1, ${hub.address}`, random: () => 0 });
    await (await hub.nextSession()).welcome();
    await bot.ready();
    expect(bot.state).toMatchObject({ hub: hub.address });
  });
});

describe('heartbeats', () => {
  it('come at the interval of the welcome, with position, battery and held tasks', async () => {
    const working = gate();
    const started = gate();
    const handler = async () => {
      started.resolve();
      await working.promise;
      return nothingPicked;
    };
    const { hub } = await hubAndBot(handler, { position: () => ({ x: 1, y: 2 }), battery: () => 0.5 });
    const session = await hub.nextSession();
    await session.welcome({ heartbeatInterval: { seconds: 0, nanos: 5_000_000 } });
    await session.assign({ ...emptyTask, taskId: 't', fence: 3 });
    await started.promise;
    await expect(session.next('heartbeat')).resolves.toMatchObject({
      seq: 0,
      body: { battery: 0.5, position: { x: 1, y: 2 } },
    });
    const { body } = await session.next('heartbeat');
    expect(body.heldTasks).toMatchObject([{ taskId: 't', fence: 3, finished: false }]);
    working.resolve();
    await session.next('result');
    await expect
      .poll(async () => (await session.next('heartbeat')).body.heldTasks, patient)
      .toMatchObject([{ finished: true }]);
  });
});

describe('a sensor that fails', () => {
  it('does not stop the heartbeats that keep the leases', async () => {
    const broken = () => {
      throw new Error('no signal');
    };
    const { hub } = await hubAndBot(idle, { position: broken, battery: broken });
    const session = await hub.nextSession();
    await session.welcome({ heartbeatInterval: { seconds: 0, nanos: 5_000_000 } });
    const { body } = await session.next('heartbeat');
    expect(body.position).toBeUndefined();
    expect(body.battery).toBe(1);
  });
});

describe('options that cannot work', () => {
  it.each([
    [{ hub: ' , ' }, 'hub is " , "'],
    [{ kinds: [shopKind.serve(idle), shopKind.serve(idle)] }, 'serve each kind once'],
  ])('are refused at once', (more, message) => {
    expect(() => connectBot({ hub: '127.0.0.1:1', botId: 'b', kinds: [], ...more })).toThrow(message);
  });
});

describe('what the bot cannot read', () => {
  it('is refused with a Nack that says why, and the stream goes on', async () => {
    const { hub } = await hubAndBot(idle);
    const session = await hub.nextSession();
    await session.welcome();
    session.raw(Buffer.from([0xff, 0xff, 0xff]));
    await expect(session.next('nack')).resolves.toMatchObject({
      body: { seq: 0, reason: NackReason.MALFORMED, message: expect.stringContaining('3 bytes') },
    });
    // Decodes to an empty message: seq 9 and nothing else.
    session.raw(Buffer.from([0x08, 0x09]));
    await expect(session.next('nack')).resolves.toMatchObject({ body: { seq: 9, reason: NackReason.BODY_UNSET } });
    await session.assign({ ...emptyTask, taskId: 't' });
    await session.next('result');
  });

  it('is refused when it comes before the welcome', async () => {
    const { hub } = await hubAndBot(idle);
    const session = await hub.nextSession();
    const seq = session.offer({ ...emptyTask, taskId: 't' });
    await session.next('hello');
    await expect(session.next('nack')).resolves.toMatchObject({ body: { seq, reason: NackReason.WRONG_STATE } });
  });
});

describe('leaving', () => {
  it('drain ends the work under way, waits for the acknowledgement, then says goodbye', async () => {
    const working = gate();
    const handler = async () => {
      await working.promise;
      return nothingPicked;
    };
    const { hub, bot } = await hubAndBot(handler, { credits: 2 });
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't1' });
    await bot.ready();
    const drained = bot.drain({ reason: 'end of shift' });
    await expect(session.next('credit')).resolves.toMatchObject({ body: { kind: 'shop', amount: 0 } });
    session.offer({ ...emptyTask, taskId: 't2' });
    await expect(session.next('offerReply')).resolves.toMatchObject({
      body: { accepted: false, reason: 'the bot is draining' },
    });
    working.resolve();
    const { seq } = await session.next('result');
    session.ack(seq);
    await expect(session.next('goodbye')).resolves.toMatchObject({ body: { reason: 'end of shift' } });
    await drained;
    expect(bot.state).toEqual({ at: 'closed' });
  });

  it('drain aborts what is not done in time and reports it as failed, for another bot', async () => {
    const started = gate();
    const handler = (task: { signal: AbortSignal }) => {
      started.resolve();
      return new Promise<never>((_, reject) => task.signal.addEventListener('abort', () => reject(task.signal.reason)));
    };
    const { hub, bot } = await hubAndBot(handler);
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't' });
    await started.promise;
    const drained = bot.drain({ deadlineMs: 1 });
    const result = await session.next('result');
    expect(result.body).toMatchObject({ outcome: 2, retryable: true, reason: expect.stringContaining('shutdown') });
    session.ack(result.seq);
    await session.next('goodbye');
    await drained;
  });

  it('a hub that drains is left once it acknowledged what is on the wire, and the bot comes back with its task', async () => {
    const proceed = gate();
    const handler = async (task: { progress(p: ReturnType<typeof reached>): Promise<void> }) => {
      await task.progress(reached(0));
      await proceed.promise;
      return nothingPicked;
    };
    const { hub, bot } = await hubAndBot(handler, { random: () => 0.5 });
    const waits: number[] = [];
    bot.on('state', (state) => state.at === 'waiting' && waits.push(state.retryInMs));
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't' });
    const { seq } = await session.next('progress');
    session.send({ $case: 'drain', value: { deadline: undefined, retryAfter: { seconds: 0, nanos: 8_000_000 } } });
    session.offer({ ...emptyTask, taskId: 't2' });
    session.ack(seq);
    await session.end();
    expect(session.heard.map(({ body }) => body?.$case)).not.toContain('goodbye');

    const next = await hub.nextSession();
    const hello = await next.welcome({ verdicts: [{ taskId: 't', fence: 1, verdict: 1 }], lastBotSeq: seq });
    expect(hello.body.heldTasks).toMatchObject([{ taskId: 't', fence: 1 }]);
    expect(waits).toEqual([4]);
    await expect(next.next('offerReply')).resolves.toMatchObject({
      seq: seq + 1,
      body: { taskId: 't2', accepted: false, reason: 'this hub is draining' },
    });
    proceed.resolve();
    await expect(next.next('result')).resolves.toMatchObject({ seq: seq + 2 });
  });
});

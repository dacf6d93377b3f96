import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maxRevisions } from '../../bots/sdk/index.ts';
import type { Hello } from '../../src/gen/fleet/v1/fleet.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { shopSchema } from './raw-bot.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet[Symbol.asyncDispose]());

describe('a hello', () => {
  it('is answered with the session, its epoch and what was agreed', async () => {
    const bot = fleet.bot({ botId: 'greeter' });
    expect(await bot.welcomed()).toMatchObject({
      epoch: 1,
      resumed: false,
      lastBotSeq: 0,
      heartbeatInterval: { seconds: 2, nanos: 0 },
      leaseDuration: { seconds: 10, nanos: 0 },
      maxFrameBytes: 256 * 1024,
      maxUnacknowledged: 256,
    });
    const bots = await fleet.bots({ connectedOnly: true });
    expect(bots).toContainEqual(expect.objectContaining({ botId: 'greeter', connected: true, epoch: 1 }));
  });

  it('of a bot that has learnt as much as the SDK keeps, beside what it was built with, is taken', async () => {
    const learnt = Array.from({ length: maxRevisions }, (_, i) => `sha256:${i.toString(16).padStart(64, '0')}`);
    const bot = fleet.bot({ botId: 'scholar', kinds: [{ kind: 'shop', digests: [shopSchema.digest, ...learnt] }] });
    expect(await bot.welcomed()).toMatchObject({ epoch: 1 });
  });

  const broken: ReadonlyArray<[field: string, hello: Partial<Hello>]> = [
    ['hello.bot_id', { botId: '' }],
    ['hello.bot_id', { botId: 'a b' }],
    ['hello.bot_id', { botId: 'x'.repeat(65) }],
    ['hello.instance_id', { instanceId: 'one' }],
    ['hello.envelope.min_minor', { envelope: { minMinor: 9, maxMinor: 9 } }],
    ['hello.kinds[0].kind', { kinds: [{ kind: 'SHOP!', digests: [] }] }],
    ['hello.kinds[0].digests', { kinds: [{ kind: 'shop', digests: ['md5:1'] }] }],
    ['hello.kinds', { kinds: Array.from({ length: 129 }, (_, i) => ({ kind: `k${i}`, digests: [] })) }],
    ['hello.credits[0].kind', { credits: [{ kind: 'dance', amount: 1 }] }],
    ['hello.credits[0].amount', { credits: [{ kind: 'shop', amount: 1_000 }] }],
    ['hello.held_tasks[0].task_id', { heldTasks: [{ taskId: 'x', fence: 1, finished: false }] }],
    ['hello.held_tasks[0].fence', { heldTasks: [{ taskId: randomUUID(), fence: 0, finished: false }] }],
    ['hello.position.x', { position: { x: Number.NaN, y: 0 } }],
  ];
  it.each(broken)('with an impossible %s is refused by name', async (field, hello) => {
    const bot = fleet.bot(hello);
    bot.sayHello();
    const { code, details } = await bot.status;
    expect(code).toBe(status.INVALID_ARGUMENT);
    expect(details.startsWith(`${field} is `)).toBe(true);
  });

  it('has to come first', async () => {
    const bot = fleet.bot();
    bot.heartbeat([]);
    expect(await bot.status).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('hello'),
    });
  });

  it('cannot be replaced by garbage', async () => {
    const bot = fleet.bot();
    bot.sendBytes(Buffer.from('ffffffff', 'hex'));
    expect((await bot.status).code).toBe(status.INVALID_ARGUMENT);
  });

  it('is said once: the second is refused and the stream lives', async () => {
    const bot = fleet.bot();
    await bot.welcomed();
    bot.sayHello();
    expect((await bot.next('nack')).value.message).toContain('second hello');
    bot.end();
    expect((await bot.status).code).toBe(status.OK);
  });
});

describe('a bot id', () => {
  it('belongs to one live instance: another is refused and told when to try again', async () => {
    const first = fleet.bot({ botId: 'twin' });
    await first.welcomed();
    const second = fleet.bot({ botId: 'twin' });
    second.sayHello();
    const { code, details } = await second.status;
    expect(code).toBe(status.ALREADY_EXISTS);
    expect(details).toContain('"twin"');
    expect(details).toMatch(/try again after \d{4}-\d\d-\d\dT/);
    first.cut();
  });

  it('is free as soon as the stream has ended, so that a restarted bot need not wait', async () => {
    const before = fleet.bot({ botId: 'phoenix' });
    await before.welcomed();
    before.end();
    await before.status;
    const after = fleet.bot({ botId: 'phoenix' });
    expect((await after.welcomed()).epoch).toBe(2);
  });

  it('keeps its instance: a newer stream of the same one supersedes the older', async () => {
    const hello = { botId: 'mover', instanceId: randomUUID() };
    const older = fleet.bot(hello);
    await older.welcomed();
    const newer = fleet.bot(hello);
    expect((await newer.welcomed()).epoch).toBe(2);
    expect((await older.status).code).toBe(status.ABORTED);
    // The end of the older stream did not end the newer session.
    const bots = await fleet.bots({ connectedOnly: true });
    expect(bots).toContainEqual(expect.objectContaining({ botId: 'mover', epoch: 2 }));
  });

  it('is superseded across hubs as well', async () => {
    const other = await fleet.addHub();
    const hello = { botId: 'wanderer', instanceId: randomUUID() };
    const older = fleet.bot(hello);
    await older.welcomed();
    const newer = fleet.bot(hello, other);
    expect((await newer.welcomed()).epoch).toBe(2);
    expect((await older.status).code).toBe(status.ABORTED);
  });

  it('is given to one of many that come at the same time', async () => {
    const rivals = Array.from({ length: 5 }, () => fleet.bot({ botId: 'prize' }));
    const outcomes = await Promise.allSettled(rivals.map((bot) => bot.welcomed()));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

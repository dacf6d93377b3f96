import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { type Fleet, startFleet } from './fleet.ts';
import type { RawBot } from './raw-bot.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(() => fleet[Symbol.asyncDispose]());

/** As another hub does when the bot comes to it, while this one is stopped and its note is lost. */
const goOnElsewhere = ({ hello: { botId } }: RawBot) =>
  fleet.database.query((orm) => orm.execute(sql`update hub.bots set epoch = epoch + 1 where bot_id = ${botId}`));

const taskOf = async (taskId: string) => (await fleet.tasks({ openOnly: true })).find((task) => task.taskId === taskId);

describe('a hub whose bot has a newer stream elsewhere, which it has not heard of', () => {
  it('offers it no new task, and ends its stream', async () => {
    const bot = fleet.bot();
    await bot.welcomed();
    // With something done, the hub knows that nothing waits, and offers what comes at once.
    await fleet.request();
    await bot.acknowledged(bot.result(await bot.lease(), { outcome: Outcome.SUCCEEDED }));
    await goOnElsewhere(bot);

    const { taskId } = await fleet.request();
    expect(await bot.status).toMatchObject({ code: 10, details: expect.stringContaining('has epoch 2') });
    expect(await taskOf(taskId)).toMatchObject({ state: 'QUEUED', fence: 0, botId: '' });
    expect(bot.frames.filter(({ body }) => body?.$case === 'offer')).toHaveLength(1);

    const { botId, instanceId } = bot.hello;
    const after = fleet.bot({ botId, instanceId });
    expect(await after.welcomed()).toMatchObject({ epoch: 3 });
    expect(await after.lease()).toEqual({ taskId, fence: 1 });
  });

  it('ends its stream with the next heartbeat, and no other', async () => {
    const [bot, other] = [fleet.bot(), fleet.bot()];
    await Promise.all([bot.welcomed(), other.welcomed()]);
    await goOnElsewhere(bot);

    for (const each of [other, bot]) each.heartbeat([]);
    expect(await bot.status).toMatchObject({ code: 10, details: expect.stringContaining('has epoch 2') });
    const { taskId } = await fleet.request();
    expect(await other.lease()).toEqual({ taskId, fence: 1 });
  });

  it('offers it no task that waits, and ends its stream', async () => {
    const bot = fleet.bot({ credits: [] });
    await bot.welcomed();
    const { taskId } = await fleet.request();
    await goOnElsewhere(bot);

    bot.send({ $case: 'credit', value: { kind: 'shop', amount: 1 } }, { seq: 0 });
    expect(await bot.status).toMatchObject({ code: 10, details: expect.stringContaining('has epoch 2') });
    expect(await taskOf(taskId)).toMatchObject({ state: 'QUEUED', fence: 0, botId: '' });
    expect(bot.frames.some(({ body }) => body?.$case === 'offer')).toBe(false);
  });
});

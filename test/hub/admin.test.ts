import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ListBotsRequest, ListTasksRequest, Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { type RawBot, shopSchema } from './raw-bot.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({ leaseMs: 8_000 });
});
afterAll(() => fleet[Symbol.asyncDispose]());

/** Bots that take nothing but what is meant for them, and are not silent. */
async function join(botId: string, more: Parameters<Fleet['bot']>[0] = {}, hub?: Parameters<Fleet['bot']>[1]) {
  const bot = fleet.bot({ botId, position: { x: 3, y: 4 }, ...more }, hub);
  await bot.welcomed();
  return bot;
}
const leaseFor = async (bot: RawBot, task: Parameters<Fleet['request']>[0] = {}) => {
  const asked = await fleet.request({ onlyBotId: bot.hello.botId, ...task });
  return { ...asked, ...(await bot.lease()) };
};
const show = (taskId: string) => fleet.admin.getTask({ taskId });
/** As if the task had been so for as many minutes more. */
const age = (taskId: string, minutes: number) =>
  fleet.database.query((orm) =>
    orm.execute(sql`update hub.tasks set since = since - make_interval(mins => ${minutes}) where task_id = ${taskId}`),
  );

describe('of bots, operators see', () => {
  it('what they last said, what they can do and what they hold', async () => {
    const bot = await join('shown', { bootCount: 7 });
    expect(await fleet.admin.getBot({ botId: 'shown' })).toMatchObject({
      battery: undefined,
      position: { x: 3, y: 4 },
    });
    const { taskId, fence } = await leaseFor(bot);
    const stop = bot.keepBeating([{ taskId, fence }]);
    bot.heartbeat([{ taskId, fence }], { x: 7, y: 8, battery: 0.5 });
    stop();
    await expect
      .poll(() => fleet.admin.getBot({ botId: 'shown' }), { timeout: 20_000 })
      .toMatchObject({
        botId: 'shown',
        instanceId: bot.hello.instanceId,
        bootCount: 7,
        connected: true,
        sessionState: 'READY',
        epoch: 1,
        position: { x: 7, y: 8 },
        battery: 0.5,
        taskIds: [taskId],
        kinds: [{ kind: 'shop', digests: [shopSchema.digest] }],
      });
    expect(await fleet.tasks({ botId: 'shown', openOnly: true })).toMatchObject([{ taskId, fence, botId: 'shown' }]);
    await bot.acknowledged(bot.result({ taskId, fence }, { outcome: Outcome.SUCCEEDED }));
    bot.send({ $case: 'goodbye', value: { reason: '' } }, { seq: 0 });
    await bot.status;
    await fleet.disconnected('shown');
    expect(await fleet.admin.getBot({ botId: 'shown' })).toMatchObject({
      connected: false,
      sessionState: 'EXPIRED',
      taskIds: [],
    });
  });

  it('of each its own tasks and limits, and not those of others', async () => {
    const bots = [await join('own-1'), await join('own-2')];
    const { taskId, fence } = await leaseFor(bots[0]!);
    await fleet.admin.limitBot({ botId: 'own-2', kind: '', most: 0 });
    const [one, two] = (await fleet.bots({})).filter(({ botId }) => botId.startsWith('own-'));
    expect([one!.taskIds, two!.taskIds]).toEqual([[taskId], []]);
    expect(one!.credits.map(({ most }) => most)).toEqual(one!.credits.map(() => undefined));
    expect(two!.credits.map(({ most }) => most)).toEqual(two!.credits.map(() => 0));
    expect(two!.credits.length).toBeGreaterThan(0);
    await bots[0]!.acknowledged(bots[0]!.result({ taskId, fence }, { outcome: Outcome.SUCCEEDED }));
    for (const bot of bots) bot.cut();
  });

  it('all of them page by page, of a kind, and those of one hub', async () => {
    const other = await fleet.addHub();
    const dances = { kind: 'dance', digests: [`sha256:${'0'.repeat(64)}`] };
    const bots = [
      await join('page-1'),
      await join('page-2', { kinds: [dances], credits: [] }),
      await join('page-3', {}, other),
    ];
    const pages: string[][] = [];
    let pageToken = '';
    do {
      const answer = await fleet.admin.listBots(ListBotsRequest.fromPartial({ pageSize: 2, pageToken }));
      pages.push(answer.bots.map(({ botId }) => botId));
      pageToken = answer.nextPageToken;
    } while (pageToken !== '');
    const listed = pages.flat().filter((botId) => botId.startsWith('page-'));
    expect(listed).toEqual(['page-1', 'page-2', 'page-3']);
    expect(pages.slice(0, -1).every((page) => page.length === 2)).toBe(true);

    expect((await fleet.bots({ kind: 'dance' })).map(({ botId }) => botId)).toEqual(['page-2']);
    const { hubId } = await fleet.admin.getBot({ botId: 'page-3' });
    expect((await fleet.bots({ hubId, connectedOnly: true })).map(({ botId }) => botId)).toEqual(['page-3']);
    for (const bot of bots) bot.cut();
  });
});

describe('of tasks, operators see', () => {
  it('newest first, page by page, of one order, and open ones only', async () => {
    const asked = [];
    for (let n = 0; n < 5; n += 1) asked.push((await fleet.request({ onlyBotId: 'nobody' })).taskId);
    const open = async () => (await fleet.tasks({ openOnly: true, kind: 'shop' })).map(({ taskId }) => taskId);
    await expect.poll(open, { timeout: 20_000 }).toEqual(expect.arrayContaining(asked));
    const pages: string[][] = [];
    let pageToken = '';
    do {
      const wanted = ListTasksRequest.fromPartial({ states: ['QUEUED', 'SUSPECT'], pageSize: 2, pageToken });
      const answer = await fleet.admin.listTasks(wanted);
      pages.push(answer.tasks.map(({ taskId }) => taskId));
      pageToken = answer.nextPageToken;
    } while (pageToken !== '');
    expect(pages.map((page) => page.length)).toEqual([2, 2, 1]);
    expect(pages.flat()).toEqual(await open());

    const { orderId } = await show(asked[0]!);
    expect(await fleet.tasks({ orderId })).toMatchObject([{ taskId: asked[0], state: 'QUEUED', maxAttempts: 3 }]);
    for (const taskId of asked) await fleet.admin.cancelTask({ taskId, reason: '' });
    expect(await open()).toEqual([]);
    expect(await fleet.tasks({ orderId, openOnly: true })).toEqual([]);
    expect(await fleet.tasks({ orderId })).toMatchObject([{ state: 'CANCELLED' }]);
  });

  it('those that are stuck, the longest first; an offer that is declined does not make one young again', async () => {
    const bot = await join('slow', { credits: [{ kind: 'shop', amount: 2 }] });
    const declined = await fleet.request({ onlyBotId: 'slow' });
    const { value: offer } = await bot.next('offer');
    await age(declined.taskId, 30);
    await bot.acknowledged(bot.reply(offer, false));
    const held = await leaseFor(bot);
    const young = await leaseFor(bot);
    await age(held.taskId, 60);
    const stop = bot.keepBeating([held, young]);
    bot.progress(held, { $case: 'stopReached', value: { storeId: 's', stopIndex: 0 } }, { started: true });
    const isRunning = async () => (await show(held.taskId)).state;
    // Also a task that is seen to run has been its bot's since the lease.
    await expect.poll(isRunning, { timeout: 20_000 }).toBe('RUNNING');

    const stuck = async (minutes: number, more: Partial<ListTasksRequest> = {}) => {
      const stuckFor = { seconds: minutes * 60, nanos: 0 };
      return fleet.admin.listTasks(ListTasksRequest.fromPartial({ stuckFor, ...more }));
    };
    const ids = async (...args: Parameters<typeof stuck>) => (await stuck(...args)).tasks.map(({ taskId }) => taskId);
    expect(await ids(20)).toEqual([held.taskId, declined.taskId]);
    expect(await ids(40)).toEqual([held.taskId]);
    expect(await ids(20, { states: ['QUEUED', 'OFFERED'] })).toEqual([declined.taskId]);
    const { nextPageToken: pageToken } = await stuck(20, { pageSize: 1 });
    expect(await ids(20, { pageSize: 1, pageToken })).toEqual([declined.taskId]);

    const before = (await show(held.taskId)).since!;
    await bot.acknowledged(bot.result(held, { outcome: Outcome.SUCCEEDED }));
    expect((await show(held.taskId)).since!.getTime()).toBeGreaterThan(before.getTime());
    expect(await ids(20)).toEqual([declined.taskId]);
    stop();
    bot.cut();
  });
});

describe('what is asked for wrongly is refused by name', () => {
  const token = (key: unknown) => Buffer.from(JSON.stringify(key)).toString('base64url');
  const stuckFor = { seconds: 60, nanos: 0 };

  it.each<[string, Partial<ListTasksRequest>]>([
    ['page_size', { pageSize: 1_001 }],
    ['page_token', { pageToken: 'seven' }],
    ['page_token', { stuckFor, pageToken: token({ order: 'newest', atMs: 1, taskId: 'a' }) }],
    ['page_token', { pageToken: token({ order: 'newest', atMs: 9e15, taskId: 'a' }) }],
    ['order_id', { orderId: 'seven' }],
    ['bot_id', { botId: 'the red one' }],
    ['kind', { kind: 'Shop' }],
    ['states[1]', { states: ['QUEUED', 'BORED'] }],
    ['stuck_for', { stuckFor: { seconds: 0, nanos: 0 } }],
    ['stuck_for', { stuckFor: { seconds: 1e12, nanos: 0 } }],
  ])('%s of list_tasks', async (field, wanted) => {
    await expect(fleet.tasks(wanted)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { field } });
  });

  it.each<[string, Partial<ListBotsRequest>]>([
    ['page_size', { pageSize: 1_001 }],
    ['page_token', { pageToken: token({ order: 'newest' }) }],
    ['kind', { kind: 'Shop' }],
    ['hub_id', { hubId: 'first' }],
  ])('%s of list_bots', async (field, wanted) => {
    await expect(fleet.bots(wanted)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { field } });
  });

  it('a bot or a task that is not there, or cannot be', async () => {
    const { getBot, getTask } = fleet.admin;
    await expect(getBot({ botId: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND', detail: { field: 'bot_id' } });
    await expect(getBot({ botId: '' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(getTask({ taskId: randomUUID() })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(getTask({ taskId: 'seven' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

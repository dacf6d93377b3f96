import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type BotView, FleetAdminService, LimitBotRequest, Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import type { Role } from '../../src/role/role.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked, type RawBot, type RawHello } from './raw-bot.ts';

const patient = { timeout: 20_000 };
const maxUnacknowledged = 16;

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({
    leaseMs: 8_000,
    environment: {
      MALLBOTS_HUB_MAX_UNACKNOWLEDGED: String(maxUnacknowledged),
      MALLBOTS_HUB_MAX_WAITING_FRAMES: '32',
    },
  });
});
afterEach(() => fleet[Symbol.asyncDispose]());

async function join(amount: number, hello: RawHello = {}, hub?: Role): Promise<RawBot> {
  const bot = fleet.bot({ credits: [{ kind: 'shop', amount }], ...hello }, hub);
  await bot.welcomed();
  bot.keepBeating([]);
  return bot;
}
const say = (bot: RawBot, amount: number) => bot.send({ $case: 'credit', value: { kind: 'shop', amount } }, { seq: 0 });
const limit = ({ hello: { botId } }: RawBot, most?: number, kind = '') =>
  fleet.admin.limitBot(LimitBotRequest.fromPartial({ botId, kind, ...(most !== undefined && { most }) }));
/** As `shop 2`, or `shop 2, let have 0`. */
const told = ({ credits }: BotView) =>
  credits.map(({ kind, amount, most }) => `${kind} ${amount}${most === undefined ? '' : `, let have ${most}`}`);
const viewOf = ({ hello: { botId } }: RawBot) => fleet.admin.getBot({ botId });
const creditsOf = async (bot: RawBot) => told(await viewOf(bot));
const windowOf = async (bot: RawBot) => (await viewOf(bot)).maxUnacknowledged;
const offersTo = (bot: RawBot) => bot.frames.filter(({ body }) => body?.$case === 'offer').length;
const stateOf = async ({ taskId }: { readonly taskId: string }) => (await fleet.admin.getTask({ taskId })).state;
describe('the credit for tasks', () => {
  it('is what the bot said last, at any time, and is shown', async () => {
    const bot = await join(0);
    expect(await creditsOf(bot)).toEqual(['shop 0']);
    const asked = await fleet.request();
    say(bot, 1);
    const first = await bot.lease();
    expect(first.taskId).toBe(asked.taskId);
    await expect.poll(() => creditsOf(bot), patient).toEqual(['shop 1']);

    const second = await fleet.request();
    await expect.poll(() => stateOf(second), patient).toBe('QUEUED');
    expect(offersTo(bot)).toBe(1);
    say(bot, 2);
    expect((await bot.lease()).taskId).toBe(second.taskId);
  });

  it('is limited by operators from the next offer on: what the bot has it finishes, and what waits comes when the limit is lifted', async () => {
    const bot = await join(2);
    await fleet.request();
    const task = await bot.lease();
    expect(told(await limit(bot, 0))).toEqual(['shop 2, let have 0', ' 0, let have 0']);
    const waiting = await fleet.request();
    await bot.acknowledged(bot.progress(task, picked(), { started: true }));
    await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED }));
    const other = await join(1);
    expect((await other.lease()).taskId).toBe(waiting.taskId);
    expect(offersTo(bot)).toBe(1);

    const more = [await fleet.request(), await fleet.request()];
    expect(told(await limit(bot, 1))).toEqual(['shop 2, let have 1', ' 0, let have 1']);
    const next = await bot.lease();
    expect(more.map(({ taskId }) => taskId)).toContain(next.taskId);
    expect(told(await limit(bot))).toEqual(['shop 2']);
    await bot.lease();
    expect(offersTo(bot)).toBe(3);
  });

  it('stays limited when the bot comes back, says more, or is at another hub; a kind has a limit of its own', async () => {
    const hub = await fleet.addHub();
    const before = await join(1);
    await limit(before, 0);
    before.send({ $case: 'goodbye', value: { reason: '' } }, { seq: 0 });
    await before.status;
    const bot = await join(3, { botId: before.hello.botId }, hub);
    say(bot, 5);
    await expect.poll(() => creditsOf(bot), patient).toEqual(['shop 5, let have 0', ' 0, let have 0']);
    const { taskId } = await fleet.request();
    const other = await join(1, {}, hub);
    expect((await other.lease()).taskId).toBe(taskId);
    expect(offersTo(bot)).toBe(0);

    const waiting = await fleet.request();
    expect(told(await limit(bot, 1, 'shop'))).toEqual(['shop 5, let have 1', ' 0, let have 0']);
    expect((await bot.lease()).taskId).toBe(waiting.taskId);
  });

  it('is what operators want also where the note to the hub of the bot is lost', async () => {
    const { address } = await fleet.addHub({ isMute: true });
    const client = connectClient(FleetAdminService, address, fleet.telemetry);
    onTestFinished(() => client.close());
    const bot = await join(1);
    await limit(bot, 0);
    const waiting = await fleet.request();
    await expect.poll(() => stateOf(waiting), patient).toBe('QUEUED');
    await client.api.limitBot(LimitBotRequest.fromPartial({ botId: bot.hello.botId }));
    expect((await bot.lease()).taskId).toBe(waiting.taskId);
  });

  it.each([
    [{ botId: 'nobody', most: 0 }, 'no bot with bot_id "nobody"'],
    [{ botId: ' ' }, 'bot_id'],
    [{ botId: 'x', most: 65 }, 'most is "65"'],
    [{ botId: 'x', kind: 'No Kind' }, 'kind is "No Kind"'],
  ])('is not limited by %o', async (request, why) => {
    await expect(fleet.admin.limitBot(LimitBotRequest.fromPartial(request))).rejects.toThrow(why);
  });
});

it('the credit for reports is what the hub said last, and is shown', async () => {
  const bot = await join(1);
  // What the hub can hold is for two.
  await join(0);
  expect(await windowOf(bot)).toBe(maxUnacknowledged);
  await fleet.request();
  const task = await bot.lease();
  await bot.acknowledged(bot.progress(task, undefined, { started: true }));
  const confirm = fleet.withholdConfirms();
  for (let n = 0; n < 2 * maxUnacknowledged; n++) bot.progress(task, picked());
  const { value: credit } = await bot.next('credit');
  expect(credit.amount).toBeLessThan(maxUnacknowledged);
  await expect.poll(() => windowOf(bot), patient).toBeLessThan(maxUnacknowledged);
  confirm();
  await bot.acknowledged(bot.seq);
  await expect.poll(() => windowOf(bot), patient).toBe(maxUnacknowledged);
});

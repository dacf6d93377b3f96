import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RevisionStatus, type SchemaRef } from '../../../src/gen/fleet/v1/fleet.ts';
import { RegistryService, RevisionState, RolloutOutcome } from '../../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { checkDeadlineMs } from '../../support/revisions.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { type RawBot, shopSchema } from '../raw-bot.ts';
import { descriptorsOf, shopRevision } from './shop-revision.ts';

let fleet: Fleet;
let client: ReturnType<typeof connectClient<RegistryService>>;
const bots: RawBot[] = [];
const by = 'tester';

beforeAll(async () => {
  fleet = await startFleet({ leaseMs: 60_000 });
  client = connectClient(RegistryService, fleet.hub.address, fleet.telemetry);
  for (let number = 1; number <= 6; number++) {
    const bot = fleet.bot({ botId: `bot-${number}` });
    await bot.welcomed();
    bots.push(bot);
    bot.keepBeating([]);
    // Until the stream ends.
    void Promise.allSettled([work(bot), learn(bot)]);
  }
});
afterAll(async () => {
  client.close();
  await fleet[Symbol.asyncDispose]();
});

/** What the bots do with revisions that they are offered. */
let reply: (schema: SchemaRef) => RevisionStatus = () => RevisionStatus.APPLIED;
/** How tasks in a revision end. */
let outcome: (schema: SchemaRef) => 1 | 2 = () => 1;

async function learn(bot: RawBot): Promise<void> {
  for (;;) {
    const { value } = await bot.next('protocolOffer');
    for (const { schema } of value.add) {
      const status = reply(schema!);
      const reason = status === RevisionStatus.REJECTED ? 'cannot do that' : '';
      bot.send({ $case: 'protocolStatus', value: { schema, status, reason } });
    }
  }
}

async function work(bot: RawBot): Promise<void> {
  for (;;) {
    const { value } = await bot.next('offer');
    const { taskId, fence, schema } = value;
    bot.reply({ taskId, fence }, true);
    await bot.next('lease');
    bot.result({ taskId, fence }, { outcome: outcome(schema!), schema: schema!, retryable: false });
  }
}

const kindOf = async () => (await client.api.list({ kind: 'shop' })).kinds[0]!;
async function canary(number: number, percent: number): Promise<SchemaRef> {
  const fileDescriptorSet = await descriptorsOf(shopRevision(number));
  const { revision } = await client.api.publish(
    { kind: 'shop', fileDescriptorSet, sources: [], by, reason: '', draft: false },
    { deadlineMs: checkDeadlineMs },
  );
  const { digest } = revision!;
  const basedOn = (await kindOf()).version;
  const ramp = { percents: percent < 100 ? [100] : [], step: { seconds: 0, nanos: 0 }, minAttempts: 6 };
  await client.api.canary({ digest, basedOn, by, reason: 'try', percent, hold: false, ramp });
  return { kind: 'shop', revision: revision!.revision, digest };
}

/** Asks for tasks until the rollout is decided. */
async function decided(): Promise<RolloutOutcome> {
  for (;;) {
    const { rollout } = await kindOf();
    if (rollout!.outcome !== RolloutOutcome.UNSPECIFIED) return rollout!.outcome;
    // One after the other in a fleet that has nothing else to do.
    const { orderId } = await fleet.request({ maxAttempts: 1 });
    const isOver = ({ name }: { name: string }) => /task_(succeeded|failed)/.test(name);
    await fleet.until(orderId, (said) => said.find(isOver));
  }
}

describe('a rollout', () => {
  it('is promoted by itself through its shares when nothing speaks against it, and the next offers are in it', async () => {
    const second = await canary(2, 50);
    expect(await decided()).toBe(RolloutOutcome.PROMOTED);
    const { revisions, rollout } = await kindOf();
    expect(revisions.map(({ state }) => state)).toEqual([RevisionState.ACTIVE, RevisionState.ACTIVE]);
    expect(rollout!.gates.find(({ name }) => name === 'task_failures')!.canaryTotal).toBeGreaterThanOrEqual(6);
    const { history } = await client.api.get({ digest: second.digest, kind: '', revision: 0 });
    expect(history.map(({ to, percent, by: who }) => [to, percent, who])).toEqual([
      [RevisionState.DRAFT, 0, by],
      [RevisionState.CHECKED, 0, by],
      [RevisionState.CANARY, 50, by],
      [RevisionState.CANARY, 100, 'rollout'],
      [RevisionState.ACTIVE, 0, 'rollout'],
    ]);
  });

  it('is rolled back by itself when its tasks fail, with the numbers, and no task is offered in it any more', async () => {
    outcome = ({ revision }) => (revision === 3 ? 2 : 1);
    const third = await canary(3, 100);
    expect(await decided()).toBe(RolloutOutcome.ROLLED_BACK);
    const { revisions, rollout } = await kindOf();
    expect(revisions.at(-1)).toMatchObject({ state: RevisionState.ROLLED_BACK, changedBy: 'rollout' });
    expect(rollout!.reason).toMatch(/^gate task_failures: \d+ of \d+/);
    for (const bot of bots) await expect.poll(() => removed(bot)).toContain(third.digest);
    const { orderId } = await fleet.request();
    const done = await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_succeeded'));
    expect(done.body).not.toMatchObject({ original: { schema: { digest: third.digest } } });
  });

  it('is rolled back by itself when bots reject it', async () => {
    reply = ({ revision }) => (revision === 4 ? RevisionStatus.REJECTED : RevisionStatus.APPLIED);
    await canary(4, 100);
    await expect
      .poll(async () => (await kindOf()).rollout!.outcome, { timeout: 20_000 })
      .toBe(RolloutOutcome.ROLLED_BACK);
    const { rollout } = await kindOf();
    expect(rollout!.reason).toContain('gate rejections: ');
    // What the baseline was goes on.
    await expect.poll(async () => (await kindOf()).revisions[0]!.digest).toBe(shopSchema.digest);
  });
});

const removed = (bot: RawBot): string[] =>
  bot.frames.flatMap(({ body }) => (body?.$case === 'protocolOffer' ? body.value.remove : []));

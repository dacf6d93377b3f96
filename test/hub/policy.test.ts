import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { type Bot, connectBot, type Handler, shopKind, type TaskAborted } from '../../bots/sdk/index.ts';
import { NackReason, Outcome, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import type { ShopProgress, ShopResult, ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import type { KindPolicy } from '../../src/hub/kinds/policy.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked, reached } from './raw-bot.ts';

const leaseMs = 1_500;

let fleet: Fleet;
let wire: TcpProxy | undefined;
let robot: Bot | undefined;
afterEach(async () => {
  await robot?.kill();
  await wire?.close();
  [robot, wire] = [undefined, undefined];
  await fleet[Symbol.asyncDispose]();
});

const withPolicy = async (shop: KindPolicy) => {
  fleet = await startFleet({ leaseMs, options: { policies: { shop } }, logLevel: 'info' });
};

/** A bot with the SDK, behind a wire that can be cut. */
async function robotWith(handler: Handler<ShopTask, ShopProgress, ShopResult>): Promise<TcpProxy> {
  const [host, port] = fleet.hub.address.split(':');
  wire = await TcpProxy.to(host!, Number(port));
  const reconnect = { firstMs: 10, maxMs: 50, factor: 1 };
  robot = connectBot({
    hub: `127.0.0.1:${wire.port}`,
    botId: 'robot',
    kinds: [shopKind.serve(handler)],
    reconnect,
  });
  await robot.ready();
  return wire;
}

/** Reports a step, then works until it is told to stop; reports what it had in hand by then, and gives up. */
function untilStopped() {
  const begun = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<{ why: string; atMs: number }>();
  const handler: Handler<ShopTask, ShopProgress, ShopResult> = async (task) => {
    await task.progress({ step: reached() });
    begun.resolve();
    await new Promise((resolve) => task.signal.addEventListener('abort', resolve, { once: true }));
    const reason: TaskAborted = task.signal.reason;
    stopped.resolve({ why: reason.why, atMs: Date.now() });
    await task.progress({ step: picked() });
    throw reason;
  };
  return { handler, begun: begun.promise, stopped: stopped.promise };
}

const named = (orderId: string, name: string) =>
  fleet.until(orderId, (said) => said.find((event) => event.name === name));
const history = (orderId: string) => fleet.said(orderId).map(({ name, task }) => `${name} ${task?.fence}`);
/** How leases of the task have ended, in the hub's words. */
const endsOf = (taskId: string) =>
  fleet.telemetry
    .logs()
    .filter(
      (line) => ['task lost', 'task is suspect'].includes(line.msg as string) && line['mallbots.task_id'] === taskId,
    )
    .map(({ was, is, time }) => ({ was, is, atMs: Date.parse(time as string) }));

describe('a kind whose bots stop when they are cut off', () => {
  it('and whose tasks are reassigned: works on while it is renewed, stops before anybody else begins, and is not heard any more', async () => {
    await withPolicy({ whileCutOff: 'stop', onLeaseLoss: 'reassign', wins: 'newest' });
    const { handler, begun, stopped } = untilStopped();
    const line = await robotWith(handler);
    const { taskId, orderId } = await fleet.request();
    await begun;
    const granted = await fleet.heldUntil(taskId);
    // Two leases' time: without the renewals the bot would have stopped.
    await expect.poll(() => fleet.heldUntil(taskId), { timeout: 20_000 }).toBeGreaterThan(granted + 2 * leaseMs);
    expect((await fleet.admin.getTask({ taskId })).state).toBe('RUNNING');

    await line.refuse();
    const stop = await stopped;
    expect(stop.why).toBe('cut-off');
    await named(orderId, 'bots.task_lost');
    const [end, ...more] = endsOf(taskId);
    expect(end).toMatchObject({ was: 'RUNNING', is: 'QUEUED' });
    expect(more).toEqual([]);
    expect(stop.atMs).toBeLessThanOrEqual(end!.atMs);

    const heir = fleet.bot({ botId: 'heir' });
    await heir.welcomed();
    heir.keepBeating([]);
    const task = await heir.lease();
    await line.restore();
    await robot!.ready();
    await heir.acknowledged(heir.result(task, { outcome: Outcome.SUCCEEDED }));
    await named(orderId, 'bots.task_succeeded');
    await expect.poll(() => robot!.unacknowledged, { timeout: 20_000 }).toBe(0);
    expect(history(orderId)).toEqual([
      'bots.task_started 1',
      'bots.stop_reached 1',
      'bots.task_lost 2',
      'bots.task_succeeded 3',
    ]);
  });

  it('and whose tasks wait for them: says what it had done when it is back in time, and that it gave up', async () => {
    await withPolicy({ whileCutOff: 'stop', onLeaseLoss: { holdLeases: 100 }, wins: 'newest' });
    const { handler, begun, stopped } = untilStopped();
    const line = await robotWith(handler);
    const { taskId, orderId } = await fleet.request({ maxAttempts: 1 });
    await begun;
    await line.refuse();
    await stopped;
    await expect.poll(() => endsOf(taskId), { timeout: 20_000 }).toMatchObject([{ is: 'SUSPECT' }]);

    await line.restore();
    expect(await named(orderId, 'bots.task_failed')).toMatchObject({
      body: { reason: expect.stringContaining('cut-off') },
    });
    expect(history(orderId)).toEqual([
      'bots.task_started 1',
      'bots.stop_reached 1',
      'bots.item_picked 1',
      'bots.task_failed 1',
    ]);
  });
});

describe('a kind whose first attempt wins', () => {
  const first: KindPolicy = { whileCutOff: 'continue', onLeaseLoss: 'reassign', wins: 'first' };

  it('goes on under the renewed fence when its bot is back before another has begun, and is reported in full', async () => {
    await withPolicy(first);
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const line = await robotWith(async (task) => {
      await task.progress({ step: reached() });
      begun.resolve();
      await goOn.promise;
      await task.progress({ step: picked() });
      return { lines: [], walkedMetres: 1 };
    });
    const { taskId, orderId } = await fleet.request();
    await begun.promise;
    await named(orderId, 'bots.stop_reached');
    await line.refuse();
    await named(orderId, 'bots.task_lost');
    await line.restore();
    const isTakenUp = async () => (await fleet.admin.getTask({ taskId })).fence;
    await expect.poll(isTakenUp, { timeout: 20_000 }).toBe(3);
    goOn.resolve();
    await named(orderId, 'bots.task_succeeded');
    expect(history(orderId)).toEqual([
      'bots.task_started 1',
      'bots.stop_reached 1',
      'bots.task_lost 2',
      'bots.task_started 3',
      'bots.stop_reached 3',
      'bots.item_picked 3',
      'bots.task_succeeded 3',
    ]);
    expect(await fleet.admin.getTask({ taskId })).toMatchObject({ state: 'SUCCEEDED', attempt: 2, botId: 'robot' });
  });

  it.each([
    ['also while another thinks about it, which is told that it is too late', first, Verdict.REPORT_IN_FULL],
    ['but not where the newest attempt wins', { ...first, wins: 'newest' } as const, Verdict.ABANDON],
  ])('%s', async (_, policy, verdict) => {
    await withPolicy(policy);
    const self = { botId: 'back', instanceId: randomUUID() };
    const before = fleet.bot(self);
    await before.welcomed();
    const { taskId, orderId } = await fleet.request();
    const task = await before.lease();
    await before.acknowledged(before.progress(task, reached(), { started: true }));
    before.cut();
    await named(orderId, 'bots.task_lost');
    const other = fleet.bot();
    await other.welcomed();
    other.keepBeating([]);
    const { value: offer } = await other.next('offer');
    expect(offer).toMatchObject({ taskId, fence: 3, attempt: 2 });

    const back = fleet.bot({ ...self, credits: [], heldTasks: [{ ...task, finished: false }] });
    const { verdicts } = await back.welcomed();
    const isFirst = verdict === Verdict.REPORT_IN_FULL;
    expect(verdicts).toMatchObject([{ ...task, verdict, renewedFence: isFirst ? 4 : 0 }]);
    const seq = other.reply(offer, true);
    const holder = isFirst ? back : other;
    if (isFirst) {
      expect((await other.next('nack')).value).toMatchObject({ seq, reason: NackReason.STALE_FENCE });
    } else await other.next('lease');
    const renewed = { taskId, fence: isFirst ? 4 : 3 };
    holder.progress(renewed, reached(), { started: true });
    await holder.acknowledged(holder.result(renewed, { outcome: Outcome.SUCCEEDED }));
    expect(await named(orderId, 'bots.task_succeeded')).toMatchObject({
      body: { task: { fence: renewed.fence, botId: holder.hello.botId } },
    });
  });
});

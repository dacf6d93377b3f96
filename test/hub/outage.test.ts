import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Outcome, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { databaseUrl } from '../support/services.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { type Fleet, startFleet } from './fleet.ts';

const leaseMs = 3_000;
let wire: TcpProxy;
let fleet: Fleet;
beforeEach(async () => {
  wire = await TcpProxy.toServer(databaseUrl);
  fleet = await startFleet({ leaseMs, serverUrl: wire.through(databaseUrl) });
});
afterEach(async () => {
  await fleet[Symbol.asyncDispose]();
  await wire.close();
});

const lastSeenMs = async (botId: string) => {
  const bots = await fleet.bots();
  return bots.find((bot) => bot.botId === botId)!.lastSeenAt!.getTime();
};

it('takes no task from a bot that could not come back while the database was away for longer than a lease', async () => {
  const { taskId } = await fleet.request();
  const instanceId = randomUUID();
  const before = fleet.bot({ botId: 'patient', instanceId });
  await before.welcomed();
  const task = await before.lease();
  const witness = fleet.bot({ botId: 'witness' });
  await witness.welcomed();
  witness.keepBeating([]);
  const until = await fleet.heldUntil(taskId);

  await wire.refuse();
  before.cut();
  await expect.poll(() => Date.now(), { timeout: 20_000 }).toBeGreaterThan(until);
  const restoredAt = Date.now();
  await wire.restore();

  // The hub is at work again: it has written down heartbeats twice.
  await expect
    .poll(() => lastSeenMs('witness').catch(() => 0), { timeout: 20_000, interval: 20 })
    .toBeGreaterThan(restoredAt);
  const once = await lastSeenMs('witness');
  await expect.poll(() => lastSeenMs('witness'), { timeout: 20_000, interval: 20 }).toBeGreaterThan(once);
  const after = fleet.bot({ botId: 'patient', instanceId, heldTasks: [{ ...task, finished: false }] });
  expect((await after.welcomed()).verdicts).toMatchObject([{ ...task, verdict: Verdict.CONTINUE }]);
  await after.acknowledged(after.result(task, { outcome: Outcome.SUCCEEDED }));
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hubInstruments } from '../../src/hub/instruments.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked } from './raw-bot.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(() => fleet[Symbol.asyncDispose]());

const hub = (name: string) => `mallbots.hub.${name}`;
/** What the metric says, added up over the points that have these attributes, which are named without their prefix. */
const figure = (name: string, attributes: Record<string, string> = {}) =>
  fleet.telemetry.figure(
    hub(name),
    Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [
        key === 'direction' ? 'network.io.direction' : `mallbots.${key}`,
        value,
      ]),
    ),
  );

describe('what a hub counts', () => {
  it('of three tasks that are done: offers, leases, attempts, frames and times', async () => {
    const bot = fleet.bot();
    await bot.welcomed();
    for (let n = 0; n < 3; n += 1) {
      await fleet.request();
      const task = await bot.lease();
      bot.progress(task, picked(), { started: true });
      await bot.acknowledged(bot.result(task, { outcome: 1 }));
    }

    expect(await figure('offers', { outcome: 'accepted' })).toBe(3);
    expect(await figure('lease.grants')).toBe(3);
    expect(await figure('lease.losses')).toBe(0);
    expect(await figure('task.attempts', { outcome: 'SUCCEEDED' })).toBe(3);
    expect(await figure('dispatch.duration')).toBe(3);
    // Each is a start and a step.
    expect(await figure('publish.duration')).toBe(6);
    expect(await figure('report.duration')).toBe(9);
    expect(await figure('frames', { direction: 'receive', frame: 'progress' })).toBe(3);
    expect(await figure('frames', { direction: 'transmit', frame: 'lease' })).toBe(3);
    expect(await figure('nacks')).toBe(0);
  });

  it('of a report under an old fence: a nack by its reason, a stale fence', async () => {
    const bot = fleet.bot();
    await bot.welcomed();
    await fleet.request();
    const { taskId } = await bot.lease();
    bot.progress({ taskId, fence: 7 }, picked());
    await bot.next('nack');
    const second = fleet.bot();
    await second.welcomed();
    await fleet.request({ onlyBotId: second.hello.botId });
    const held = await second.lease();
    second.send({ $case: 'goodbye', value: { reason: '' } });
    await second.status;
    await expect.poll(() => figure('task.requeues', { reason: 'dropped' }), { timeout: 20_000 }).toBe(1);
    const third = fleet.bot({ botId: second.hello.botId });
    await third.welcomed();
    await third.lease();
    third.progress(held, picked());
    await third.next('nack');

    expect(await figure('nacks', { direction: 'transmit', reason: 'STALE_FENCE' })).toBe(1);
    expect(await figure('nacks', { direction: 'transmit', reason: 'FIELD_INVALID' })).toBe(1);
    expect(await figure('stale_fences')).toBe(1);
    expect(await figure('lease.losses', { reason: 'dropped' })).toBe(1);
  });

  it('of what is there now: sessions and tasks by state', async () => {
    const bot = fleet.bot({ credits: [{ kind: 'shop', amount: 1 }] });
    await bot.welcomed();
    await fleet.request();
    await bot.lease();
    await fleet.request();
    await fleet.request();

    expect(await figure('session.count', { state: 'READY' })).toBe(1);
    await expect.poll(() => figure('task.count', { state: 'QUEUED' }), { timeout: 20_000 }).toBe(2);
    expect(await figure('task.count', { state: 'LEASED' })).toBe(1);

    bot.cut();
    await expect.poll(() => figure('session.count', { state: 'READY' }), { timeout: 20_000 }).toBe(0);
    expect(await figure('sessions.closed')).toBe(1);
  });

  it('of a declined offer: its outcome, and why the task is queued again', async () => {
    const bot = fleet.bot();
    await bot.welcomed();
    await fleet.request();
    const { value: offer } = await bot.next('offer');
    await bot.acknowledged(bot.reply(offer, false));

    expect(await figure('offers', { outcome: 'declined' })).toBe(1);
    expect(await figure('task.requeues', { reason: 'declined' })).toBe(1);
    expect(await figure('lease.grants')).toBe(0);
  });

  it('of a bot that gets no session, by the reason', async () => {
    await fleet.bot({ botId: 'twice' }).welcomed();
    const other = fleet.bot({ botId: 'twice' });
    other.sayHello();
    await other.status;

    expect(await figure('sessions.closed', { reason: 'BOT_CONNECTED' })).toBe(1);
  });
});

describe('the instruments of a hub', () => {
  it('are the table in the README', () => {
    const rows = Object.values(hubInstruments).map(({ name, kind, unit, attributes, description }) => {
      const named = attributes.map((attribute) => `\`${attribute}\``).join(' ');
      return `| \`${name}\` | ${kind}, ${unit} | ${named} | ${description} |`;
    });
    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8').split('\n');
    expect(readme.filter((line) => line.startsWith('| `mallbots.'))).toEqual(rows);
  });

  it('are the declared ones: names, units, kinds and attributes', async () => {
    const bot = fleet.bot();
    await bot.welcomed();
    await fleet.request();
    await bot.acknowledged(bot.result(await bot.lease(), { outcome: 1 }));

    const declared = new Map<string, (typeof hubInstruments)[keyof typeof hubInstruments]>(
      Object.values(hubInstruments).map((instrument) => [instrument.name, instrument]),
    );
    const seen = await fleet.telemetry.metrics();
    expect(seen.length).toBeGreaterThan(8);
    for (const { descriptor, dataPoints } of seen) {
      const instrument = declared.get(descriptor.name);
      expect(instrument, descriptor.name).toBeDefined();
      expect(descriptor.unit).toBe(instrument!.unit);
      for (const { attributes } of dataPoints)
        expect(Object.keys(attributes).toSorted(), descriptor.name).toEqual([...instrument!.attributes].toSorted());
    }
  });
});

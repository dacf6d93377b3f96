import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { plumbingInstruments } from '../../src/database/plumbing-metrics.ts';
import { staffInstruments } from '../../src/gateways/staff/code-searches.ts';
import { Nack, NackReason } from '../../src/gen/fleet/v1/fleet.ts';
import { RegistryService } from '../../src/gen/protocol/v1/protocol.ts';
import { hubInstruments } from '../../src/hub/instruments.ts';
import { connectClient } from '../../src/rpc/client.ts';
import type { Instrument } from '../../src/telemetry/instrument.ts';
import { checkDeadlineMs, giftNotes } from '../support/revisions.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked, shopSchema } from './raw-bot.ts';

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
    expect(await figure('frames.refused')).toBe(0);
    expect(await figure('frames', { direction: 'transmit', frame: 'nack' })).toBe(0);
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

    expect(await figure('frames.refused', { reason: 'STALE_FENCE' })).toBe(1);
    expect(await figure('frames.refused', { reason: 'FIELD_INVALID' })).toBe(1);
    expect(await fleet.counted('mallbots.hub.frames.refused', 'STALE_FENCE')).toBe(1);
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

  it('of hub frames that a bot refuses, by the reason; reasons that nobody knows as one', async () => {
    const bot = fleet.bot();
    await bot.welcomed();
    for (const reason of [NackReason.UNKNOWN_TASK, 77, 78])
      bot.send({ $case: 'nack', value: Nack.fromPartial({ seq: 1, reason: reason as NackReason }) }, { seq: 0 });
    const refused = (reason: string) => figure('frames.refused_by_bots', { reason });
    await expect.poll(() => refused('_OTHER'), { timeout: 20_000 }).toBe(2);
    expect(await refused('UNKNOWN_TASK')).toBe(1);
  });

  it('of what waits: frames and their bytes while the broker stalls, what has not left the outbox, and for how long', async () => {
    const bot = fleet.bot();
    await bot.welcomed();
    await fleet.request();
    const task = await bot.lease();
    const confirm = fleet.withholdConfirms();
    bot.progress(task, picked(), { started: true });
    const last = bot.progress(task, picked());
    await expect.poll(() => figure('intake.frames'), { timeout: 20_000 }).toBe(2);
    expect(await figure('intake.bytes')).toBeGreaterThan(100);
    confirm();
    await bot.acknowledged(last);
    expect(await figure('intake.frames')).toBe(0);
    expect(await figure('intake.bytes')).toBe(0);

    const outbox = (name: string) => fleet.telemetry.figure(`mallbots.outbox.${name}`);
    await expect.poll(() => outbox('unpublished'), { timeout: 20_000 }).toBe(0);
    expect(await outbox('lag')).toBe(0);
    const release = fleet.withholdConfirms();
    await bot.acknowledged(bot.result(task, { outcome: 1 }));
    expect(await outbox('unpublished')).toBe(1);
    expect(await outbox('lag')).toBeGreaterThan(0);
    release();
    await expect.poll(() => outbox('unpublished'), { timeout: 20_000 }).toBe(0);
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

  it('of tasks by the revision that they are done in: offers, leases, attempts, reports and those that cannot be read', async () => {
    const two = giftNotes();
    const { digest } = two.schema!;
    const client = connectClient(RegistryService, fleet.hub.address, fleet.telemetry);
    const publication = { kind: 'shop', fileDescriptorSet: two.fileDescriptorSet, sources: [], draft: false };
    const author = { by: 'tester', reason: '' };
    const old = fleet.bot({ botId: 'old' });
    const young = fleet.bot({ botId: 'young', kinds: [{ kind: 'shop', digests: [digest] }] });
    await old.welcomed();
    await young.welcomed();
    const { revision } = await client.api.publish({ ...publication, ...author }, { deadlineMs: checkDeadlineMs });
    const { kinds } = await client.api.list({ kind: 'shop' });
    await client.api.activate({ digest: revision!.digest, basedOn: kinds[0]!.version, ...author });
    client.close();
    for (const [bot, schema] of [
      [old, shopSchema],
      [young, { ...two.schema!, digest: revision!.digest }],
    ] as const) {
      await fleet.request({ onlyBotId: bot.hello.botId });
      const task = await bot.lease();
      bot.progress(task, picked(), { started: true, schema });
      bot.progress(task, undefined, { schema, payload: Buffer.from([0xff]) });
      await bot.acknowledged(bot.result(task, { outcome: 1, schema }));
    }
    young.progress({ taskId: newId(), fence: 1 }, picked(), { schema: { ...shopSchema, digest: 'sha256:made-up' } });
    await young.next('nack');

    for (const [revision, schema_digest] of [
      [1, shopSchema.digest],
      [2, digest],
    ] as const) {
      const about = { kind: 'shop', schema_digest };
      expect(await figure('offers', { ...about, outcome: 'accepted' }), String(revision)).toBe(1);
      expect(await figure('lease.grants', about)).toBe(1);
      expect(await figure('dispatch.duration', about)).toBe(1);
      expect(await figure('task.attempts', { ...about, outcome: 'SUCCEEDED' })).toBe(1);
      expect(await figure('reports', { ...about, outcome: 'taken' })).toBe(2);
      expect(await figure('reports', { ...about, outcome: 'PAYLOAD_UNDECODABLE' })).toBe(1);
    }
    // What nobody has published is one, whatever it is called.
    await expect.poll(() => figure('reports', { schema_digest: '_OTHER' }), { timeout: 20_000 }).toBe(1);
    expect(await figure('reports', { schema_digest: 'sha256:made-up' })).toBe(0);
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
  it('are the tables in the README', () => {
    const tables: Readonly<Record<string, Instrument>>[] = [hubInstruments, plumbingInstruments, staffInstruments];
    const rows = tables
      .flatMap((table) => Object.values(table))
      .map(({ name, kind, unit, attributes, description }) => {
        const named = attributes.map((attribute) => `\`${attribute}\``).join(' ');
        return `| \`${name}\` | ${kind}, ${unit} | ${named} | ${description} |`;
      });
    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8').split('\n');
    expect(readme.filter((line) => /^\| `(?:mallbots|db)\./.test(line))).toEqual(rows);
  });

  it('are the declared ones: names, units, kinds and attributes', async () => {
    const bot = fleet.bot();
    await bot.welcomed();
    await fleet.request();
    await bot.acknowledged(bot.result(await bot.lease(), { outcome: 1 }));

    const declared = new Map<string, Instrument>(
      [...Object.values(hubInstruments), ...Object.values(plumbingInstruments)].map((each) => [each.name, each]),
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

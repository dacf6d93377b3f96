import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { beforeEach, expect, it, vi } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import type { Received } from '../../src/contract/message.ts';
import { NackReason, Outcome, type Revision, type SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';
import { ReturnResult } from '../../src/gen/kinds/return/v1/return.ts';
import { ShopProgress, ShopResult, ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { kinds } from '../../src/gen/kinds.ts';
import { RegistryService } from '../../src/gen/protocol/v1/protocol.ts';
import { addKind, addRevision, lockKind } from '../../src/hub/protocol/registry-store.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { digestOf, inspect, written } from '../support/revisions.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { picked, shopSchema } from './raw-bot.ts';

// Every call goes through: what is decoded by descriptors is counted, wherever in the hub, also where a failure would be swallowed.
vi.mock('@bufbuild/protobuf', { spy: true });
const generated = { ShopTask, ShopProgress, ShopResult, ReturnResult };
for (const message of Object.values(generated)) vi.spyOn(message, 'decode');

beforeEach(() => vi.clearAllMocks());

const decodedByDescriptors = () => vi.mocked(fromBinary).mock.calls.map(([message]) => message.typeName);
const registries = () => vi.mocked(createFileRegistry).mock.calls.length;
/** How often each of the messages that the hub has code for was decoded. */
const decodedByCode = () =>
  Object.fromEntries(
    Object.entries(generated).map(([name, { decode }]) => [name, vi.mocked(decode).mock.calls.length]),
  );

/** No message of any schema: its first tag has no end. */
const nonsense = (what: string) => Buffer.concat([Buffer.alloc(10, 0xff), Buffer.from(what)]);

/** Of a kind that the mall has no words for; nobody can read the descriptors of any but the last. */
const last = inspect(50);
const unreadable = Array.from({ length: 49 }, (_, index): Revision => {
  const fileDescriptorSet = nonsense(`descriptors ${index + 1}`);
  return {
    ...last,
    fileDescriptorSet,
    schema: { kind: 'inspect', revision: index + 1, digest: digestOf(fileDescriptorSet) },
  };
});
const revisions: readonly Revision[] = [...unreadable, last];

/** Past the checks of a publication, which reads descriptors on purpose. */
const store = ({ database }: Fleet, lastState: 'ACTIVE' | 'CHECKED') =>
  database.transaction(async ({ orm }) => {
    await addKind(orm, 'inspect');
    for (const revision of revisions) {
      const { schema, fileDescriptorSet, ...messages } = revision;
      await addRevision(orm, (await lockKind(orm, 'inspect'))!, {
        ...{ ...messages, digest: schema!.digest, descriptorSet: fileDescriptorSet, sources: [] },
        ...{ state: revision === last ? lastState : 'ACTIVE', reason: '' },
        ...{ publishedAt: new Date(), publishedBy: 'tester' },
      });
    }
  });

const inspector = (...spoken: Revision[]) => ({
  kinds: [{ kind: 'inspect', digests: spoken.map(({ schema }) => schema!.digest) }],
  credits: [{ kind: 'inspect', amount: 1 }],
});
const originals = (said: readonly Received[]) =>
  said.flatMap(({ name, body }) => {
    const { original } = body as { original?: { schema: SchemaRef; payload: Buffer } };
    return original ? [[name, original.schema.digest, original.payload.toString('hex')]] : [];
  });
const succeeded = (said: readonly Received[]) => said.find(({ name }) => name === 'bots.task_succeeded');

it('of fifty revisions the hub reads no descriptors, and of their payloads nothing, until somebody asks for one by name', async () => {
  await using fleet = await startFleet();
  await store(fleet, 'ACTIVE');
  const hub = await fleet.addHub();
  const learner = fleet.bot(inspector(), hub);
  await learner.welcomed();
  const told = (await learner.next('protocolOffer')).value.add;
  expect(told.map(({ fileDescriptorSet }) => fileDescriptorSet)).toEqual(
    revisions.map(({ fileDescriptorSet }) => fileDescriptorSet).toReversed(),
  );

  for (const spoken of [unreadable[0]!, last]) {
    const schema = spoken.schema!;
    const bot = fleet.bot(inspector(spoken), hub);
    await bot.welcomed();
    const asked = { schema, payload: nonsense('task'), onlyBotId: bot.hello.botId };
    const { orderId } = await fleet.request(asked);
    const { value: offer } = await bot.next('offer');
    expect(offer).toMatchObject({ schema, payload: nonsense('task') });
    bot.reply(offer, true);
    await bot.next('lease');
    bot.progress(offer, undefined, { schema, payload: nonsense('progress') });
    await bot.acknowledged(bot.result(offer, { schema, payload: nonsense('result'), outcome: Outcome.SUCCEEDED }));
    expect(bot.frames.filter(({ body }) => body?.$case === 'nack')).toEqual([]);
    await fleet.until(orderId, succeeded);
    expect(originals(fleet.said(orderId))).toEqual([
      ['bots.task_progressed', schema.digest, nonsense('progress').toString('hex')],
      ['bots.task_succeeded', schema.digest, nonsense('result').toString('hex')],
    ]);
  }
  expect([decodedByDescriptors(), registries()]).toEqual([[], 0]);

  // Written by names, which are in the descriptors alone.
  for (const shelf of ['A7', 'A8']) {
    const payloadJson = JSON.stringify({ shelf });
    await fleet.admin.askTask({ taskId: newId(), kind: 'inspect', revision: 50, payloadJson, onlyBotId: '' });
  }
  expect([decodedByDescriptors(), registries()]).toEqual([['google.protobuf.FileDescriptorSet'], 1]);
});

it('while a revision is tried, each report in it is decoded once, by descriptors that are read once, and nothing else is', async () => {
  await using fleet = await startFleet();
  await store(fleet, 'CHECKED');
  const { api, close } = connectClient(RegistryService, fleet.hub.address, fleet.telemetry);
  const schema = last.schema!;
  const basedOn = (await api.list({ kind: 'inspect' })).kinds[0]!.version;
  const tried = { digest: schema.digest, percent: 100, hold: true, ramp: undefined };
  await api.canary({ ...tried, basedOn, by: 'tester', reason: '' });
  close();
  const hub = await fleet.addHub();
  const bot = fleet.bot(inspector(unreadable[0]!, last), hub);
  await bot.welcomed();
  const asked = { schema: unreadable[0]!.schema!, payload: nonsense('task'), onlyBotId: bot.hello.botId };
  const { orderId } = await fleet.request(asked);
  const { value: offer } = await bot.next('offer');
  expect(offer).toMatchObject({ schema, payload: nonsense('task') });
  bot.reply(offer, true);
  await bot.next('lease');
  const steps = ['A7', 'A8'].map((seen) => written(last, 'progressMessage', { seen }));
  const payload = written(last, 'resultMessage', { isTidy: true });
  vi.clearAllMocks();
  const refused = bot.progress(offer, undefined, { schema, payload: nonsense('progress') });
  for (const step of steps) bot.progress(offer, undefined, { schema, payload: step });
  bot.result(offer, { schema, payload, outcome: Outcome.SUCCEEDED });
  expect((await bot.next('nack')).value).toMatchObject({ seq: refused, reason: NackReason.PAYLOAD_UNDECODABLE });
  await fleet.until(orderId, succeeded);
  expect(originals(fleet.said(orderId)).map(([, , hex]) => hex)).toEqual(
    [...steps, payload].map((each) => each.toString('hex')),
  );
  const { progressMessage, resultMessage } = last;
  expect([decodedByDescriptors(), registries()]).toEqual([
    ['google.protobuf.FileDescriptorSet', progressMessage, progressMessage, progressMessage, resultMessage],
    1,
  ]);
});

it('of a kind that the mall has words for the hub decodes no task, and each report once, by generated code, unless it is in another schema', async () => {
  await using fleet = await startFleet();
  const bot = fleet.bot();
  await bot.welcomed();
  const { orderId } = await fleet.request({ payload: nonsense('task') });
  const { value: offer } = await bot.next('offer');
  expect(offer.payload).toEqual(nonsense('task'));
  bot.reply(offer, true);
  await bot.next('lease');
  bot.progress(offer, picked());
  // Known to the hub, and not what the task is pinned to.
  const schema = { kind: 'return', revision: 1, digest: kinds.return.digest };
  const foreign = { schema, payload: nonsense('report') };
  const refused = [
    bot.progress(offer, undefined, foreign),
    bot.result(offer, { ...foreign, outcome: Outcome.SUCCEEDED }),
  ];
  for (const seq of refused) {
    expect((await bot.next('nack')).value).toMatchObject({ seq, reason: NackReason.UNKNOWN_SCHEMA });
  }
  bot.result(offer, { outcome: Outcome.SUCCEEDED });
  await fleet.until(orderId, succeeded);
  expect(originals(fleet.said(orderId)).map(([name, digest]) => [name, digest])).toEqual([
    ['bots.item_picked', shopSchema.digest],
    ['bots.task_succeeded', shopSchema.digest],
  ]);
  expect(decodedByCode()).toEqual({ ShopTask: 0, ShopProgress: 1, ShopResult: 1, ReturnResult: 0 });
  expect([decodedByDescriptors(), registries()]).toEqual([[], 0]);
});

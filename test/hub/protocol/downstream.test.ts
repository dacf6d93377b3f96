import { describe, expect, it } from 'vitest';
import { createEmbeddedBroker } from '../../../src/broker/embedded.ts';
import { connectRabbitMq, deleteTopology } from '../../../src/broker/rabbitmq.ts';
import { payloadReader } from '../../../src/contract/describe-payload.ts';
import { newId } from '../../../src/contract/ids.ts';
import { open, type Received } from '../../../src/contract/message.ts';
import { mallTopology } from '../../../src/contract/topology.ts';
import { TableJournal } from '../../../src/database/journal/table-journal.ts';
import { migrationsOf } from '../../../src/database/migrations.ts';
import { Outcome, type Revision, type SchemaRef } from '../../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { RegistryService, RevisionState } from '../../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { withDatabase } from '../../support/database.ts';
import { checkDeadlineMs, edited, field, fields, giftNotes, written } from '../../support/revisions.ts';
import { amqpUrl, databaseUrl, describeWithRabbitMq } from '../../support/services.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { shopSchema } from '../raw-bot.ts';

/** What revision 3 has beside the gift note of revision 2. */
const weighed = (): Revision =>
  edited('shop', 3, (message) => {
    message('ItemPicked').field.push(...fields(field('gift_note', 5, 'STRING'), field('grams', 6, 'UINT32')));
    message('Item').field.push(...fields(field('gift_note', 6, 'STRING')));
    message('ShopTask').field.push(...fields(field('gift_note', 4, 'STRING')));
    message('ShopResult').field.push(...fields(field('notes_read', 3, 'UINT32')));
  });

const item = { lineId: 'l', productId: 'p', storeId: 's', quantity: 2 };

async function everyPastRevision(fleet: Fleet): Promise<void> {
  const client = connectClient(RegistryService, fleet.hub.address, fleet.telemetry);
  const author = { by: 'tester', reason: '' };
  const change = async (what: 'activate' | 'deprecate' | 'retire' | 'rollback', digest: string) => {
    const basedOn = (await client.api.list({ kind: 'shop' })).kinds[0]!.version;
    return client.api[what]({ digest, basedOn, ...author });
  };

  /** A bot that was built with the revision does a task in it; answers with the order. */
  async function workIn(schema: SchemaRef, payload: Buffer): Promise<string> {
    const bot = fleet.bot({ botId: `bot-${schema.revision}`, kinds: [{ kind: 'shop', digests: [schema.digest] }] });
    await bot.welcomed();
    if (schema.revision > 1) await change('activate', schema.digest);
    const { orderId } = await fleet.request({ onlyBotId: bot.hello.botId });
    const task = await bot.lease();
    bot.progress(task, undefined, { started: true, schema, payload });
    await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED, schema }));
    await fleet.until(orderId, (all) => all.find(({ name }) => name === 'bots.task_succeeded'));
    bot.cut();
    await fleet.disconnected(bot.hello.botId);
    return orderId;
  }

  async function published(revision: Revision): Promise<SchemaRef> {
    const { fileDescriptorSet } = revision;
    const request = { kind: 'shop', fileDescriptorSet, sources: [], draft: false, ...author };
    const answer = await client.api.publish(request, { deadlineMs: checkDeadlineMs });
    expect(answer.violations).toEqual([]);
    return { kind: 'shop', revision: answer.revision!.revision, digest: answer.revision!.digest };
  }

  const two = giftNotes();
  const three = weighed();
  const says = (revision: Revision, more: object) =>
    written(revision, 'progressMessage', { itemPicked: { ...item, ...more } });
  const orders = [
    await workIn(shopSchema, says(two, {})),
    await workIn(await published(two), says(two, { giftNote: 'for Ada' })),
    await workIn(await published(three), says(three, { giftNote: 'for Bob', grams: 512 })),
  ];
  const { revisions } = (await client.api.list({ kind: 'shop' })).kinds[0]!;
  const [, second, third] = revisions.map(({ digest }) => digest);
  // Nobody speaks them any more.
  await change('deprecate', second!);
  await expect.poll(() => change('retire', second!).then(() => 'retired', String), { timeout: 20_000 }).toBe('retired');
  await change('rollback', third!);
  const states = (await client.api.list({ kind: 'shop' })).kinds[0]!.revisions.map(({ state }) => state);
  expect(states).toEqual([RevisionState.ACTIVE, RevisionState.RETIRED, RevisionState.ROLLED_BACK]);

  const picked: Received[] = [];
  for await (const batch of fleet.broker.read('journal', { follow: false, signal: new AbortController().signal })) {
    // By the types of a consumer that was built before any of the later revisions existed.
    picked.push(...batch.map(({ message }) => open(message)).filter(({ name }) => name === 'bots.item_picked'));
  }
  expect(picked.map(({ key }) => key)).toEqual(orders);
  for (const { body } of picked) expect(body).toMatchObject({ lineId: 'l', quantity: 2 });
  const named = picked.map(async ({ body }) => {
    const { schema, payload } = (body as unknown as { original: { schema: SchemaRef; payload: Uint8Array } }).original;
    const { fileDescriptorSet } = await client.api.get({ digest: schema.digest, kind: '', revision: 0 });
    return payloadReader(fileDescriptorSet).read(kinds.shop.progressMessage, payload);
  });
  expect(await Promise.all(named)).toEqual([
    { itemPicked: item },
    { itemPicked: { ...item, giftNote: 'for Ada' } },
    { itemPicked: { ...item, giftNote: 'for Bob', grams: 512 } },
  ]);
  client.close();
}

const promise =
  'reach consumers that were built before the revisions existed, and stay readable by every name when those are retired and rolled back';

describe('events from every revision, embedded', () => {
  it(promise, async () => {
    await using testDatabase = await withDatabase();
    const { database } = testDatabase;
    await database.migrate('journal', migrationsOf('journal'));
    const journal = new TableJournal({ database, logger: silentLogger, maxAgeMs: 3_600_000 });
    {
      await using fleet = await startFleet({ broker: createEmbeddedBroker({ logger: silentLogger, journal }) });
      await everyPastRevision(fleet);
    }
    await journal.close();
  });
});

describeWithRabbitMq('events from every revision, on RabbitMQ and PostgreSQL', () => {
  it(promise, async () => {
    const namespace = `downstream-${newId()}`;
    const broker = await connectRabbitMq({ url: amqpUrl, namespace, logger: silentLogger });
    try {
      await using fleet = await startFleet({ broker, serverUrl: databaseUrl });
      await everyPastRevision(fleet);
    } finally {
      await deleteTopology(amqpUrl, namespace, mallTopology);
    }
  });
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { type Draft, draft, type Message, seal } from '../../../src/contract/message.ts';
import { addressOf } from '../../../src/contract/topology.ts';
import { startStaff } from '../../../src/gateways/staff/staff.ts';
import type { Original } from '../../../src/gen/events/bots/v1/events.ts';
import { Revision, RevisionDetail } from '../../../src/gen/protocol/v1/protocol.ts';
import {
  type JournalEvent,
  type JournalItem,
  type ReadJournalRequest,
  StaffService,
} from '../../../src/gen/staff/v1/staff.ts';
import type { Role } from '../../../src/role/role.ts';
import type { Api } from '../../../src/rpc/api.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { withDatabase } from '../../support/database.ts';
import { describeWithJournal, type OpenJournal } from '../../support/journal-stacks.ts';
import { giftNotes, written } from '../../support/revisions.ts';
import { recordingTelemetry } from '../../support/telemetry.ts';
import { anOrder, type StartedDoubles, startDoubles } from '../doubles.ts';
import { staffContext } from './staff-context.ts';

const told = (drafted: Draft, time = new Date()): Message =>
  seal(drafted, { id: newId(), source: '/test', time, causationId: 'test', traceparent: '' });

/** A revision that this program was not built with. */
const gifts = giftNotes();

describeWithJournal('the journal for staff', suite);

function suite(open: OpenJournal): void {
  const cleanUp = new AsyncDisposableStack();
  let mall: Awaited<ReturnType<OpenJournal>>;
  let services: StartedDoubles;
  let role: Role;
  let api: Api<StaffService>;
  const order = anOrder({ placedAt: new Date() });
  const { orderId } = order;

  const start = async (listen?: string) => {
    role = await startStaff(
      staffContext(services.address, recordingTelemetry('staff'), { broker: mall.broker, ...(listen && { listen }) }),
    );
  };
  const publish = async (messages: readonly Message[]) => {
    for (const message of messages) await mall.broker.publish(addressOf(message.name), message);
    return messages.map(({ id }) => id);
  };
  const placed = (id: string, time?: Date) =>
    told(
      draft('orders.placed', id, { orderId: id, shopper: 'Ada', lines: [], total: { minor: 300, currency: 'EUR' } }),
      time,
    );
  const read = async (request: Partial<ReadJournalRequest> = {}): Promise<JournalItem[]> => {
    const items: JournalItem[] = [];
    for await (const item of api.readJournal({ from: undefined, follow: false, orderId: '', ...request }))
      items.push(item);
    return items;
  };
  const events = (items: readonly JournalItem[]): JournalEvent[] =>
    items.flatMap(({ item }) => (item?.$case === 'event' ? [item.value] : []));

  beforeAll(async () => {
    const db = cleanUp.use(await withDatabase());
    mall = await open(db);
    cleanUp.defer(() => mall.close());
    services = cleanUp.use(
      await startDoubles({
        orders: {
          getOrder: async ({ orderId: wanted }) =>
            wanted === orderId ? order : anOrder({ orderId: wanted, placedAt: new Date() }),
        },
        registry: {
          get: async ({ digest }) =>
            RevisionDetail.fromPartial({
              revision: Revision.fromPartial({ digest, progressMessage: gifts.progressMessage }),
              fileDescriptorSet: gifts.fileDescriptorSet,
            }),
        },
      }),
    );
    await start();
    cleanUp.defer(() => role.drain());
    const client = connectClient(StaffService, role.address, recordingTelemetry('desk'));
    cleanUp.defer(() => client.close());
    api = client.api;
  });
  afterAll(() => cleanUp.disposeAsync());

  it('is told in its order, with what each event says by field', async () => {
    const ids = await publish([placed(newId()), placed(newId())]);
    const all = events(await read());
    expect(all.map(({ id }) => id).slice(-2)).toEqual(ids);
    expect(all.at(-1)).toMatchObject({ name: 'orders.placed', source: '/test', key: all.at(-1)!.correlationId });
    expect(JSON.parse(all.at(-1)!.dataJson)).toMatchObject({
      shopper: 'Ada',
      total: { minor: '300', currency: 'EUR' },
    });
  });

  it('names the fields of a revision that is younger than the gateway', async () => {
    const payload = written(gifts, 'progressMessage', {
      itemPicked: { lineId: 'l', quantity: 2, giftNote: 'for Ada' },
    });
    const original: Original = { schema: gifts.schema, payload: Buffer.from(payload) };
    const task = {
      taskId: newId(),
      orderId,
      kind: 'shop',
      attempt: 1,
      fence: 1,
      botId: 'bot-1',
      occurredAt: new Date(),
    };
    const body = { task, lineId: 'l', productId: 'p', storeId: 's', quantity: 2, original };
    await publish([told(draft('bots.item_picked', orderId, body))]);
    const { dataJson } = events(await read()).at(-1)!;
    expect(JSON.parse(dataJson)).toMatchObject({
      quantity: 2,
      original: { payload: { itemPicked: { quantity: 2, giftNote: 'for Ada' } } },
    });
  });

  it('begins at a position, at a time, or with the order that it is about', async () => {
    const [first, second, third] = [
      placed(newId()),
      placed(newId(), new Date(Date.now() - 3_600_000)),
      placed(newId()),
    ];
    const ids = await publish([first, second, third]);
    const at = events(await read()).find(({ id }) => id === second.id)!.position;
    const from = async (from: ReadJournalRequest['from']) => events(await read({ from })).map(({ id }) => id);
    expect(await from({ $case: 'position', value: at })).toEqual(ids.slice(1));
    expect(await from({ $case: 'position', value: at + 1 })).toEqual(ids.slice(2));
    expect(await from({ $case: 'time', value: first.time })).toEqual([first.id, third.id]);
    const items = await read({ orderId: first.correlationId });
    expect(events(items).map(({ id }) => id)).toEqual([first.id]);
    expect(items[0]?.item).toMatchObject({ $case: 'begin' });
  });

  it('says how far it has read where there is nothing that was asked for', async () => {
    const last = (await publish([placed(newId())]))[0];
    const end = events(await read()).find(({ id }) => id === last)!.position;
    const items = await read({ orderId: newId(), from: { $case: 'position', value: end } });
    expect(items.map(({ item }) => item)).toMatchObject([
      { $case: 'begin', value: { time: undefined } },
      { $case: 'passed', value: end },
    ]);
  });

  it('is followed from now on, and ends with the role, to be read on behind the last position', async () => {
    await publish([placed(newId(), new Date(Date.now() - 1_000))]);
    const following = api.readJournal({ from: undefined, follow: true, orderId: '' })[Symbol.asyncIterator]();
    const next = async () => (await following.next()).value as JournalItem;
    const began = await next();
    expect(began.item).toMatchObject({ $case: 'begin', value: { time: expect.any(Date) } });
    const [id] = await publish([placed(newId())]);
    const [event] = events([await next()]);
    expect(event?.id).toBe(id);
    const { address } = role;
    const [ended] = await Promise.all([following.next().catch((error: unknown) => error), role.drain()]);
    expect(ended).toMatchObject({ code: 'UNAVAILABLE', detail: { reason: 'STAFF_DRAINING' } });
    const missed = await publish([placed(newId())]);
    await start(address);
    const from = { $case: 'position', value: event!.position + 1 } as const;
    await expect
      .poll(() => read({ from }).then(events, () => []), { timeout: 10_000 })
      .toMatchObject([{ id: missed[0] }]);
  });

  it('is refused with what is wrong', async () => {
    await expect(read({ orderId: 'x' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: { field: 'order_id' },
    });
  });
}

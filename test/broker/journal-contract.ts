import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../src/broker/journal.ts';
import type { Broker } from '../../src/broker/port.ts';
import type { MallError } from '../../src/contract/errors.ts';
import type { MessageName } from '../../src/contract/events.ts';
import type { Message } from '../../src/contract/message.ts';
import { Collector } from '../support/collector.ts';
import { ids, message, toJournal, toOne, toWork } from './messages.ts';

export interface JournalHarness {
  readonly broker: Broker;
  /** Ends the way to the broker, once; whoever reads has to get over it. */
  disturb(): Promise<void>;
  close(): Promise<void>;
}

/** Every test uses a key of its own: one journal is for all. */
export function journalContract(name: string, start: () => Promise<JournalHarness>): void {
  describe(`journal: ${name}`, { timeout: 30_000 }, () => {
    let harness: JournalHarness;
    let broker: Broker;

    beforeAll(async () => {
      harness = await start();
      broker = harness.broker;
      for (const queue of ['one.inbox', 'two.inbox', 'work']) await broker.consume(queue, 256, ({ ack }) => ack());
    });
    afterAll(() => harness.close());

    const written = (key: string, count: number) =>
      Array.from({ length: count }, (_, index) => message(`${key}-${index}`, { key }));

    const publish = (messages: readonly Message[], to = toOne) =>
      Promise.all(messages.map((each) => broker.publish(to, each)));

    const readAll = async (after?: number): Promise<JournalEntry[]> => {
      const entries: JournalEntry[] = [];
      const signal = new AbortController().signal;
      for await (const batch of broker.read('journal', { after, follow: false, signal })) entries.push(...batch);
      return entries;
    };

    const of = (key: string, entries: readonly JournalEntry[]) => entries.filter((entry) => entry.message.key === key);
    const told = (entries: readonly JournalEntry[]) => ids(entries.map((entry) => entry.message));

    /** Reads as long as the test likes. */
    const follow = (after?: number) => {
      const stop = new AbortController();
      const entries = new Collector<JournalEntry>();
      const done = (async () => {
        const reading = { after, follow: true, signal: stop.signal };
        for await (const batch of broker.read('journal', reading)) for (const entry of batch) entries.add(entry);
      })();
      return {
        entries,
        async stop() {
          stop.abort();
          await done;
        },
      };
    };

    it('keeps every attribute and byte, in order, as often as it is read', async () => {
      const sent = [
        message('plain', { key: 'bytes' }),
        message('task:7:1', {
          name: 'bots.item_picked',
          key: 'bytes',
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
          task: { id: 'task', fence: 7 },
          body: Uint8Array.from({ length: 100_000 }, (_, at) => at % 251),
        }),
      ];
      for (const each of sent) await publish([each]);
      for (let time = 0; time < 2; time++) {
        const got = of('bytes', await readAll()).map((entry) => entry.message);
        expect(got.map((each) => ({ ...each, body: undefined }))).toEqual(
          sent.map((each) => ({ ...each, body: undefined })),
        );
        for (const [at, each] of got.entries()) expect(Buffer.compare(each.body, sent[at]!.body)).toBe(0);
      }
    });

    it('ends where it ended when the reading began, at once where there is nothing', async () => {
      await publish(written('end', 3));
      const all = await readAll();
      expect(told(of('end', all))).toEqual(['end-0', 'end-1', 'end-2']);
      expect(await readAll(all.at(-1)!.position)).toEqual([]);
      // A position of another mall's, for example.
      expect(await readAll(all.at(-1)!.position + 10_000_000)).toEqual([]);
    });

    it('goes on behind any position, with growing ones', async () => {
      // In one turn: on RabbitMQ they share AMQP messages, and a reader may stop in the middle of one.
      await publish(written('position', 200));
      const all = of('position', await readAll());
      const positions = all.map(({ position }) => position);
      expect(positions).toEqual([...new Set(positions)].toSorted((a, b) => a - b));
      for (const at of [0, 63, 100, 198]) {
        expect(told(of('position', await readAll(positions[at])))).toEqual(told(all.slice(at + 1)));
      }
    });

    it('begins with what was said at a time, wherever older and newer stand, and goes on behind a position with it', async () => {
      const [now, hour] = [Date.now(), 3_600_000];
      const at = (id: string, ms: number) => message(`since-${id}`, { key: 'since', time: new Date(ms) });
      await publish([at('0', now), at('1', now - hour), at('2', now + 1), at('3', now - 1), at('4', now)]);
      const since = new Date(now);
      const read = async (reading: { since: Date; after?: number }) => {
        const entries: JournalEntry[] = [];
        const signal = new AbortController().signal;
        for await (const batch of broker.read('journal', { ...reading, follow: false, signal })) entries.push(...batch);
        return of('since', entries);
      };
      const found = await read({ since });
      expect(told(found)).toEqual(['since-0', 'since-2', 'since-4']);
      expect(told(await read({ since, after: found[0]!.position }))).toEqual(['since-2', 'since-4']);
      expect(await read({ since: new Date(now + hour) })).toEqual([]);
    });

    it('holds what another exchange was told as well, but nothing that no stream is bound for', async () => {
      await publish([message('work-1', { key: 'work' })], toWork);
      await publish([message('other', { key: 'work' })], {
        exchange: 'orders.events',
        routingKey: 'orders.bulk.ready',
      });
      await publish([message('work-2', { key: 'work' })], toWork);
      expect(told(of('work', await readAll()))).toEqual(['work-1', 'work-2']);
    });

    it('follows: what is there, then what comes, to several readers, each from its own place', async () => {
      await publish(written('before', 2));
      const end = (await readAll()).at(-1)!.position;
      const [all, late] = [follow(), follow(end)];
      await publish(written('after', 300));
      await expect.poll(() => told(of('after', late.entries.items)), { timeout: 20_000 }).toHaveLength(300);
      expect(told(late.entries.items)).toEqual(ids(written('after', 300)));
      await expect.poll(() => told(of('after', all.entries.items)), { timeout: 20_000 }).toHaveLength(300);
      expect(told(of('before', all.entries.items))).toEqual(['before-0', 'before-1']);
      await Promise.all([all.stop(), late.stop()]);
    });

    it('goes on after the way to the broker was gone, without a gap and without a repetition', async () => {
      const reader = follow();
      await publish(written('cut', 20));
      await expect.poll(() => of('cut', reader.entries.items).length, { timeout: 20_000 }).toBe(20);
      await harness.disturb();
      for (const each of written('back', 20)) {
        await expect
          .poll(
            () =>
              publish([each]).then(
                () => 'confirmed',
                () => 'failed',
              ),
            { timeout: 20_000 },
          )
          .toBe('confirmed');
      }
      await expect.poll(() => new Set(told(of('back', reader.entries.items))).size, { timeout: 20_000 }).toBe(20);
      await reader.stop();
      expect(told(of('cut', reader.entries.items))).toEqual(ids(written('cut', 20)));
      const positions = reader.entries.items.map(({ position }) => position);
      expect(positions).toEqual([...new Set(positions)].toSorted((a, b) => a - b));
    });

    it('is read past an event that only a newer program knows, which stays where it is', async () => {
      const newer = message('newer-1', { key: 'newer', name: 'orders.gift_wrapped' as MessageName });
      const reader = follow((await readAll()).at(-1)?.position);
      for (const each of [message('newer-0', { key: 'newer' }), newer, message('newer-2', { key: 'newer' })])
        await publish([each], toJournal);
      await expect.poll(() => told(of('newer', reader.entries.items)), { timeout: 20_000 }).toHaveLength(2);
      await reader.stop();
      expect(told(of('newer', reader.entries.items))).toEqual(['newer-0', 'newer-2']);
      expect(told(of('newer', await readAll()))).toEqual(['newer-0', 'newer-2']);
    });

    it('lets a reader go that breaks off, and says which stream there is not', async () => {
      await publish(written('break', 5));
      for await (const _ of broker.read('journal', { follow: true, signal: new AbortController().signal })) break;
      expect(() => broker.read('jurnal', { follow: true, signal: new AbortController().signal })).toThrow(
        expect.objectContaining({ code: 'FAILED_PRECONDITION' }) as MallError,
      );
    });
  });
}

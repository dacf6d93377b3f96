import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { append, read, type StoredEvent } from '../../src/database/event-store.ts';
import type { TestDatabase } from '../support/database.ts';
import { eventTables, withMall } from './mall.ts';

let mall: TestDatabase;
beforeAll(async () => {
  mall = await withMall();
});
afterAll(() => mall[Symbol.asyncDispose]());

const event = (type: string, data: unknown = { amount: 9007199254740991, note: 'für "alle"' }): StoredEvent => ({
  type,
  schemaVersion: 1,
  data,
  meta: { causationId: 'c', occurredAt: '2026-01-02T03:04:05.678Z' },
});
const add = (stream: string, expected: number, ...events: StoredEvent[]) =>
  mall.database.transaction((tx) => append(tx, eventTables, stream, expected, events));
const stored = (stream: string) => mall.database.query((orm) => read(orm, eventTables, stream));

describe('a stream of events', () => {
  it('is read as it was written, in order, with versions from 1', async () => {
    const stream = newId();
    await add(stream, 0, event('issued'), event('adjusted'));
    await add(stream, 2, event('paid'));
    expect(await stored(stream)).toEqual([
      { version: 1, ...event('issued') },
      { version: 2, ...event('adjusted') },
      { version: 3, ...event('paid') },
    ]);
  });

  it('takes the events of one of several writers that decided on the same version', async () => {
    const stream = newId();
    await add(stream, 0, event('issued'));
    const writers = ['a', 'b', 'c', 'd'].map((name) => add(stream, 1, event(name), event(name)));
    const outcomes = await Promise.allSettled(writers);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(3);
    for (const { reason } of refused)
      expect(reason).toMatchObject({ code: 'ABORTED', detail: { reason: 'STREAM_CHANGED' } });
    const types = (await stored(stream)).map(({ type }) => type);
    expect(types).toHaveLength(3);
    expect(types[1]).toBe(types[2]);
  });

  it('takes nothing of a transaction that went on after a conflict', async () => {
    const stream = newId();
    await add(stream, 0, event('issued'));
    const careless = mall.database.transaction(async (tx) => {
      await append(tx, eventTables, stream, 0, [event('again')]).catch(() => undefined);
    });
    await expect(careless).rejects.toThrow();
    expect(await stored(stream)).toHaveLength(1);
  });

  it('that nobody wrote to is empty', async () => {
    expect(await stored(newId())).toEqual([]);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeyedSerial } from '../../src/kit/keyed-serial.ts';

describe('keyed serial', () => {
  test('runs each key in order, one at a time, never more at once than it may, and everything', async () => {
    const jobs = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), fails: fc.boolean() }), {
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), jobs, fc.integer({ min: 1, max: 5 }), async (scheduler, list, concurrency) => {
        const serial = new KeyedSerial(concurrency);
        const running = new Set<string>();
        const done: number[] = [];
        const settled = list.map(({ key, fails }, index) =>
          serial.run(key, async () => {
            expect(running).not.toContain(key);
            running.add(key);
            expect(running.size).toBeLessThanOrEqual(concurrency);
            await scheduler.schedule(Promise.resolve(), `${key}${index}`);
            running.delete(key);
            done.push(index);
            if (fails) throw new Error(String(index));
            return index;
          }),
        );
        const outcomes = Promise.allSettled(settled);
        expect((await scheduler.waitFor(outcomes)).map(({ status }) => status)).toEqual(
          list.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')),
        );
        for (const key of ['a', 'b', 'c', 'd']) {
          const ofKey = done.filter((index) => list[index]!.key === key);
          expect(ofKey).toEqual(ofKey.toSorted((x, y) => x - y));
        }
        expect(done).toHaveLength(list.length);
        expect(serial.size).toBe(0);
      }),
    );
  });

  test('starts other keys while one waits', async () => {
    const serial = new KeyedSerial(2);
    const gate = Promise.withResolvers<void>();
    const slow = serial.run('slow', () => gate.promise);
    const behind = serial.run('slow', async () => 'behind');
    expect(await serial.run('other', async () => 'other')).toBe('other');
    await expect.poll(() => serial.size).toBe(1);
    gate.resolve();
    await slow;
    expect(await behind).toBe('behind');
  });

  test('takes turns between keys, so that a long lane does not starve the rest', async () => {
    const serial = new KeyedSerial(1);
    const order: string[] = [];
    const run = (key: string) => serial.run(key, async () => void order.push(key));
    await Promise.all([run('a'), run('a'), run('a'), run('b'), run('c')]);
    expect(order).toEqual(['a', 'b', 'c', 'a', 'a']);
  });
});

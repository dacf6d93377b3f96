import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PublishWindow } from '../../src/broker/publish-window.ts';
import { MallError } from '../../src/contract/errors.ts';

describe('publish window', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const explain = (what: string) => new MallError('UNAVAILABLE', `lost ${what}`);
  /** One message, or several with one confirm. */
  const run = (window: PublishWindow, what: string, send: () => Promise<void>, places = 1) => {
    for (let place = 0; place < places; place += 1) window.enter();
    return window.run({ what, places }, send, explain);
  };
  const full = { code: 'RESOURCE_EXHAUSTED' };
  const overdue = { code: 'DEADLINE_EXCEEDED' };

  test('refuses what exceeds it, and takes more when something has settled', async () => {
    const window = new PublishWindow(2, 1_000);
    const first = Promise.withResolvers<void>();
    const one = run(window, 'one', () => first.promise);
    const two = run(window, 'two', () => Promise.reject(new Error('nack')));
    expect(() => window.enter()).toThrow(expect.objectContaining(full));
    await expect(two).rejects.toThrow('lost two');
    await run(window, 'three', async () => {});
    first.resolve();
    await one;
    await window.idle();
  });

  test('gives back the places of all that share a confirm when that has come', async () => {
    const window = new PublishWindow(3, 1_000);
    const confirm = Promise.withResolvers<void>();
    const three = run(window, 'three', () => confirm.promise, 3);
    expect(() => window.enter()).toThrow(expect.objectContaining(full));
    confirm.resolve();
    await three;
    await run(window, 'three again', async () => {}, 3);
    await window.idle();
  });

  test('fails each at its own deadline', async () => {
    const window = new PublishWindow(10, 1_000);
    const never = () => new Promise<void>(() => {});
    const failed: string[] = [];
    const fails = (what: string) =>
      run(window, what, never).catch((error) => {
        expect(error).toMatchObject({ ...overdue, detail: { value: what } });
        failed.push(what);
      });
    const one = fails('one');
    await vi.advanceTimersByTimeAsync(400);
    const two = fails('two');
    await vi.advanceTimersByTimeAsync(601);
    await one;
    expect(failed).toEqual(['one']);
    await vi.advanceTimersByTimeAsync(400);
    await two;
    expect(failed).toEqual(['one', 'two']);
  });

  test('keeps the place of an overdue publish until the broker has settled it', async () => {
    const window = new PublishWindow(1, 1_000);
    const late = Promise.withResolvers<void>();
    const failing = expect(run(window, 'late', () => late.promise)).rejects.toMatchObject(overdue);
    await vi.advanceTimersByTimeAsync(1_001);
    await failing;
    expect(() => window.enter()).toThrow(expect.objectContaining(full));
    late.resolve();
    await window.idle();
    await run(window, 'again', async () => {});
  });

  test('leaves no timer behind', async () => {
    const window = new PublishWindow(1, 1_000);
    await run(window, 'one', async () => {});
    expect(vi.getTimerCount()).toBe(0);
  });
});

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
  const overdue = { code: 'DEADLINE_EXCEEDED' };

  test('refuses what exceeds it, and takes more when something has settled', async () => {
    const window = new PublishWindow(2, 1_000);
    const first = Promise.withResolvers<void>();
    const one = window.run('one', () => first.promise, explain);
    const two = window.run('two', () => Promise.reject(new Error('nack')), explain);
    await expect(window.run('three', async () => {}, explain)).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    await expect(two).rejects.toThrow('lost two');
    await window.run('three', async () => {}, explain);
    first.resolve();
    await one;
    await window.idle();
  });

  test('fails each at its own deadline', async () => {
    const window = new PublishWindow(10, 1_000);
    const never = () => new Promise<void>(() => {});
    const failed: string[] = [];
    const run = (what: string) =>
      window.run(what, never, explain).catch((error) => {
        expect(error).toMatchObject({ ...overdue, detail: { value: what } });
        failed.push(what);
      });
    const one = run('one');
    await vi.advanceTimersByTimeAsync(400);
    const two = run('two');
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
    const failing = expect(window.run('late', () => late.promise, explain)).rejects.toMatchObject(overdue);
    await vi.advanceTimersByTimeAsync(1_001);
    await failing;
    await expect(window.run('again', async () => {}, explain)).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    late.resolve();
    await window.idle();
    await window.run('again', async () => {}, explain);
  });

  test('leaves no timer behind', async () => {
    const window = new PublishWindow(1, 1_000);
    await window.run('one', async () => {}, explain);
    expect(vi.getTimerCount()).toBe(0);
  });
});

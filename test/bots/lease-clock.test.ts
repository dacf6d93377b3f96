import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LeaseClock, LeaseWatch } from '../../bots/sdk/lease-clock.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('a lease by the clock of the bot', () => {
  it('ends when it is not extended, never earlier than it was kept to, once', () => {
    const onEnd = vi.fn();
    const watch = new LeaseWatch(onEnd);
    const startedAtMs = performance.now();
    watch.extend(startedAtMs + 1_000);
    vi.advanceTimersByTime(900);
    watch.extend(startedAtMs + 2_000);
    watch.extend(startedAtMs + 500);
    vi.advanceTimersByTime(1_099);
    expect(onEnd).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(onEnd).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(10_000);
    expect(onEnd).toHaveBeenCalledOnce();
  });

  it('that has ended already when it comes ends at once; one that is over does not end any more', () => {
    const onEnd = vi.fn();
    const late = new LeaseWatch(onEnd);
    late.extend(performance.now() - 1);
    vi.advanceTimersByTime(1);
    expect(onEnd).toHaveBeenCalledOnce();
    const over = new LeaseWatch(onEnd);
    over.extend(performance.now() + 10);
    over.stop();
    over.extend(performance.now() + 20);
    vi.advanceTimersByTime(1_000);
    expect(onEnd).toHaveBeenCalledOnce();
  });

  it('counts from the heartbeat that a hub names, of those that this process has sent of late', () => {
    const clock = new LeaseClock();
    const first = clock.beat();
    const sentAtMs = performance.now();
    vi.advanceTimersByTime(5);
    expect(clock.beatAtMs(first)).toBe(sentAtMs);
    expect(clock.beatAtMs(new Date(0))).toBeUndefined();
    for (let n = 0; n < 64; n += 1) {
      clock.beat();
      vi.advanceTimersByTime(1);
    }
    expect(clock.beatAtMs(first)).toBeUndefined();
  });

  it('counts from the earlier of two heartbeats that name the same millisecond', () => {
    const clock = new LeaseClock();
    vi.useFakeTimers({ toFake: ['Date'] });
    const first = clock.beat();
    const before = performance.now();
    clock.beat();
    expect(clock.beatAtMs(first)).toBeLessThanOrEqual(before);
  });
});

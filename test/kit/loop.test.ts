import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Loop } from '../../src/kit/loop.ts';

const backoff = { firstMs: 100, maxMs: 400, factor: 2 };
const pollMs = 10_000;

describe('loop', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockReturnValue(1);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  function scripted(...script: Array<boolean | Error>) {
    const errors: Array<[unknown, number]> = [];
    const turn = vi.fn(async () => {
      const step = script.shift() ?? false;
      if (step instanceof Error) throw step;
      return step;
    });
    const loop = new Loop(turn, { pollMs, backoff, onError: (error, retryInMs) => errors.push([error, retryInMs]) });
    return { loop: loop.start(), turn, errors };
  }

  const settle = () => vi.advanceTimersByTimeAsync(0);

  test('goes on at once while there is more, then polls', async () => {
    const { loop, turn } = scripted(true, true, false);
    await settle();
    expect(turn).toHaveBeenCalledTimes(3);
    await vi.advanceTimersByTimeAsync(pollMs - 1);
    expect(turn).toHaveBeenCalledTimes(3);
    await vi.advanceTimersByTimeAsync(1);
    expect(turn).toHaveBeenCalledTimes(4);
    await loop.stop();
  });

  test('wakes before its poll', async () => {
    const { loop, turn } = scripted();
    await settle();
    loop.wake();
    await settle();
    expect(turn).toHaveBeenCalledTimes(2);
    await loop.stop();
  });

  test('does not lose a wake-up that comes during a turn', async () => {
    const gate = Promise.withResolvers<boolean>();
    const turn = vi.fn(() => gate.promise);
    const loop = new Loop(turn, { pollMs, backoff, onError: () => {} }).start();
    loop.wake();
    gate.resolve(false);
    await settle();
    expect(turn).toHaveBeenCalledTimes(2);
    await loop.stop();
  });

  test('survives every error, backs off, and starts over after a success', async () => {
    const broken = new Error('broken');
    const { loop, turn, errors } = scripted(broken, broken, broken, broken, true, broken);
    await vi.advanceTimersByTimeAsync(100 + 200 + 400 + 400);
    expect(turn).toHaveBeenCalledTimes(6);
    expect(errors.map(([, retryInMs]) => retryInMs)).toEqual([100, 200, 400, 400, 100]);
    await loop.stop();
  });

  test('is not hurried by wake-ups while it backs off', async () => {
    const { loop, turn } = scripted(new Error('broken'));
    await settle();
    loop.wake();
    await vi.advanceTimersByTimeAsync(99);
    expect(turn).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(turn).toHaveBeenCalledTimes(2);
    await loop.stop();
  });

  test('stops after the turn under way, and wherever it waits', async () => {
    const gate = Promise.withResolvers<boolean>();
    let ended = false;
    const loop = new Loop(() => gate.promise, { pollMs, backoff, onError: () => {} }).start();
    const stopping = loop.stop().then(() => {
      ended = true;
    });
    await settle();
    expect(ended).toBe(false);
    gate.resolve(true);
    await stopping;
    const idle = scripted(false);
    await settle();
    await idle.loop.stop();
    const failing = scripted(new Error('broken'));
    await settle();
    await failing.loop.stop();
    expect([idle.turn, failing.turn].map((turn) => turn.mock.calls.length)).toEqual([1, 1]);
  });
});

import { EventEmitter } from 'node:events';
import { createNoopMeter } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { unavailable } from '../../src/contract/errors.ts';
import { type HubFrame, Offer } from '../../src/gen/fleet/v1/fleet.ts';
import { Batch } from '../../src/hub/batch.ts';
import { Lane } from '../../src/hub/lane.ts';
import { defaultLimits, maxRetainedFrames } from '../../src/hub/limits.ts';
import { meteredHub } from '../../src/hub/metered.ts';
import { type Call, Outbound } from '../../src/hub/outbound.ts';
import { Outflow } from '../../src/hub/outflow.ts';
import { nackOf } from '../../src/hub/refusal.ts';
import type { HubBody } from '../../src/hub/roster.ts';
import { TokenBucket } from '../../src/kit/token-bucket.ts';
import { silentLogger } from '../support/silent-logger.ts';

const { maxQueuedFrames, maxQueuedBytes } = defaultLimits;

/** A stream whose reader takes `room` frames and then stops, until `read` is called. */
class SlowStream extends EventEmitter {
  readonly written: HubFrame[] = [];
  /** Of those that somebody waits for: the connection takes the frame. */
  readonly takes: Array<() => void> = [];
  #room: number;

  constructor(room: number) {
    super();
    this.#room = room;
  }

  write(frame: HubFrame, onTaken?: () => void): boolean {
    this.written.push(frame);
    if (onTaken) this.takes.push(onTaken);
    this.#room -= 1;
    return this.#room > 0;
  }

  read(room: number): void {
    this.#room = room;
    this.emit('drain');
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const lease = (fence: number): HubBody => ({
  $case: 'lease',
  value: { taskId: 't', fence, duration: undefined, renewedBy: undefined },
});
const nack = nackOf(0, { reason: 'WRONG_STATE', message: 'no' });
const leaseFences = (frames: readonly HubFrame[]) =>
  frames.flatMap(({ body }) => (body?.$case === 'lease' ? [body.value.fence] : []));

describe('the outbound queue', () => {
  const open = (room: number, limits = defaultLimits) => {
    const stream = new SlowStream(room);
    let overflows = 0;
    let reads = 0;
    const outflow = new Outflow(limits);
    const outbound = new Outbound(
      outflow,
      meteredHub(createNoopMeter()),
      () => {
        overflows += 1;
        outbound.detach();
      },
      () => {
        reads += 1;
      },
    );
    outbound.attach(stream as unknown as Call);
    /** The next stream of the same session. */
    const next = () => {
      const stream = new SlowStream(100);
      outbound.detach();
      outbound.attach(stream as unknown as Call);
      return stream;
    };
    return { stream, outbound, outflow, next, overflows: () => overflows, reads: () => reads };
  };

  it('writes nothing while the stream is full, and everything in order afterwards', () => {
    const { stream, outbound } = open(2);
    for (let fence = 1; fence <= 5; fence++) outbound.send(lease(fence), '');
    expect(stream.written).toHaveLength(2);
    stream.read(10);
    expect(leaseFences(stream.written)).toEqual([1, 2, 3, 4, 5]);
    expect(stream.written.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it('says when the bot falls behind, and when it reads again', () => {
    const { stream, outbound, outflow, reads } = open(1);
    for (let fence = 1; fence <= maxQueuedFrames / 4; fence++) outbound.send(lease(fence), '');
    expect(outbound.isFlowing).toBe(true);
    expect(outflow.status).toEqual({ unsentFrames: maxQueuedFrames / 4 - 1, unsentBytes: 0, slowStreams: 0 });
    outbound.send(lease(1_000), '');
    expect(outbound.isFlowing).toBe(false);
    expect(outflow.status).toEqual({ unsentFrames: maxQueuedFrames / 4, unsentBytes: 0, slowStreams: 1 });
    stream.read(2);
    expect(outbound.isFlowing).toBe(true);
    expect(reads()).toBe(1);
  });

  it('says so by the bytes of tasks too, those included that the stream has and the connection does not', () => {
    const { stream, outbound, outflow, next, reads } = open(100);
    const offer = () => {
      const payload = Buffer.alloc(maxQueuedBytes / 2);
      return outbound.send({ $case: 'offer', value: Offer.fromPartial({ taskId: 't', payload }) }, '');
    };
    offer();
    expect(outbound.isFlowing).toBe(true);
    offer();
    expect(outbound.isFlowing).toBe(false);
    expect(outflow.status).toEqual({ unsentFrames: 0, unsentBytes: maxQueuedBytes, slowStreams: 1 });
    stream.takes.shift()!();
    expect(outbound.isFlowing).toBe(true);
    expect(reads()).toBe(1);

    next();
    expect(outflow.status).toEqual({ unsentFrames: 0, unsentBytes: 0, slowStreams: 0 });
    offer();
    // What becomes of the frames of a stream that is over is nobody's business.
    stream.takes.shift()!();
    expect(outflow.status).toMatchObject({ unsentFrames: 0, unsentBytes: maxQueuedBytes / 2 });
  });

  it('does the same when all bots together have too much waiting and this one has most of it', () => {
    const { stream, outbound, outflow, overflows } = open(1, { ...defaultLimits, maxUnsentFrames: 3 });
    outbound.send(lease(1), '');
    outbound.send(nack, '');
    for (const fence of [2, 3]) outbound.send(lease(fence), '');
    expect(outflow.status).toMatchObject({ unsentFrames: 3 });
    expect(outbound.send(lease(4), '')).toBe(true);
    expect([overflows(), outflow.status.unsentFrames]).toEqual([0, 3]);
    expect(outbound.send(lease(5), '')).toBe(false);
    expect([overflows(), outflow.status.unsentFrames]).toEqual([1, 0]);
    expect(leaseFences(stream.written)).toEqual([1]);
  });

  it('drops lossy frames first when it is full, then gives up the stream', () => {
    const { stream, outbound, overflows } = open(1);
    outbound.send(lease(1), '');
    outbound.send(nack, '');
    for (let fence = 2; fence <= maxQueuedFrames; fence++) expect(outbound.send(lease(fence), '')).toBe(true);
    expect(outbound.send(lease(1_000), '')).toBe(true);
    expect(overflows()).toBe(0);
    expect(outbound.send(nack, '')).toBe(true);
    expect(overflows()).toBe(0);
    expect(outbound.send(lease(2_000), '')).toBe(false);
    expect(overflows()).toBe(1);
    expect(leaseFences(stream.written)).toEqual([1]);
  });

  it('acknowledges once per turn, with the next frame where there is one', async () => {
    const { stream, outbound } = open(100);
    for (let seq = 1; seq <= 3; seq++) outbound.acknowledge(seq);
    await turn();
    expect(stream.written).toMatchObject([{ seq: 0, ack: 3, body: { $case: 'acknowledgement' } }]);
    outbound.acknowledge(4);
    outbound.send(lease(1), '');
    await turn();
    expect(stream.written.slice(1)).toMatchObject([{ seq: 1, ack: 4, body: { $case: 'lease' } }]);
  });

  it('sends again on the next stream what was not acknowledged, under its number and before anything new', () => {
    const { outbound, next } = open(100);
    for (let fence = 1; fence <= 4; fence++) outbound.send(lease(fence), '');
    outbound.confirm(2);
    const stream = next();
    expect(outbound.reaches(3)).toBe(true);
    outbound.replay(3, () => true);
    outbound.send(lease(5), '');
    expect(stream.written.map(({ seq }) => seq)).toEqual([4, 5]);
    expect(leaseFences(stream.written)).toEqual([4, 5]);
  });

  it('keeps for the next stream what waited, and what came when there was none', () => {
    const { stream, outbound, next } = open(1);
    outbound.send(lease(1), '');
    outbound.send(lease(2), '');
    outbound.detach();
    expect(outbound.send(lease(3), '')).toBe(false);
    expect(leaseFences(stream.written)).toEqual([1]);
    const later = next();
    outbound.replay(1, () => true);
    expect(leaseFences(later.written)).toEqual([2, 3]);
  });

  it('sends an offer on its own stream only, and leaves out what does not matter any more', () => {
    const { outbound, next } = open(100);
    outbound.send({ $case: 'offer', value: Offer.fromPartial({ taskId: 't' }) }, '');
    outbound.send(nackOf(7, { reason: 'WRONG_STATE', message: 'no' }), '');
    outbound.send(lease(1), '');
    outbound.send(lease(2), '');
    const stream = next();
    outbound.replay(0, (body) => body.$case !== 'lease' || body.value.fence === 2);
    expect(stream.written.map(({ seq, body }) => `${seq} ${body?.$case}`)).toEqual(['2 nack', '4 lease']);
  });

  it('cannot go on for a bot that has forgotten what it acknowledged, or saw what was never sent', () => {
    const { outbound } = open(100);
    for (let fence = 1; fence <= 3; fence++) outbound.send(lease(fence), '');
    outbound.confirm(2);
    expect([1, 2, 3, 4].map((seen) => outbound.reaches(seen))).toEqual([false, true, true, false]);
    outbound.confirm(1_000);
    expect(outbound.reaches(3)).toBe(true);
  });

  it('keeps a bounded number of frames: a bot that has not seen the oldest cannot go on', () => {
    const { outbound, next } = open(10 * maxRetainedFrames);
    for (let fence = 1; fence <= maxRetainedFrames + 2; fence++) outbound.send(lease(fence), '');
    expect([1, 2].map((seen) => outbound.reaches(seen))).toEqual([false, true]);
    const stream = next();
    outbound.replay(2, () => true);
    expect(leaseFences(stream.written)[0]).toBe(3);
  });

  it('writes nothing when it has no stream', async () => {
    const { stream, outbound } = open(100);
    outbound.detach();
    outbound.acknowledge(1);
    outbound.send(nack, '');
    await turn();
    expect(stream.written).toEqual([]);
  });
});

describe('a lane', () => {
  it('tries again what failed for want of the broker, while later items wait', async () => {
    const done: string[] = [];
    const finished = Promise.withResolvers<void>();
    let failures = 2;
    const lane = new Lane<string>({
      async handle(item) {
        if (item === 'first' && failures-- > 0) throw unavailable('away', 'AWAY');
        done.push(item);
        if (item === 'second') finished.resolve();
      },
      onFailure: (error) => finished.reject(error),
      onHandled: () => undefined,
      logger: () => silentLogger,
      describe: () => ({}),
    });
    lane.push('first');
    lane.push('second');
    await finished.promise;
    expect(done).toEqual(['first', 'second']);
  });

  it('ends at what is nobody’s outage, and says so', async () => {
    const failure = Promise.withResolvers<string>();
    const lane = new Lane<number>({
      handle: () => Promise.reject(new TypeError('a bug')),
      onFailure: (error) => failure.resolve(error.code),
      onHandled: () => undefined,
      logger: () => silentLogger,
      describe: () => ({}),
    });
    lane.push(1);
    expect(await failure.promise).toBe('INTERNAL');
  });
});

describe('a batch', () => {
  it('lets what comes during a flush share the next, and gives each its own result', async () => {
    const flushes: number[][] = [];
    const gate = Promise.withResolvers<void>();
    const batch = new Batch<number, number>(3, async (items) => {
      flushes.push([...items]);
      if (flushes.length === 1) await gate.promise;
      return items.map((item) => item * 10);
    });
    const first = batch.add(1);
    await turn();
    const rest = [2, 3, 4, 5].map((item) => batch.add(item));
    gate.resolve();
    expect(await Promise.all([first, ...rest])).toEqual([10, 20, 30, 40, 50]);
    expect(flushes).toEqual([[1], [2, 3, 4], [5]]);
  });

  it('fails those of a failed flush and goes on with the next', async () => {
    const batch = new Batch<string, string>(1, async ([item]) => {
      if (item === 'bad') throw new Error('no');
      return [item!];
    });
    const outcomes = await Promise.allSettled([batch.add('bad'), batch.add('good')]);
    expect(outcomes).toMatchObject([{ status: 'rejected' }, { status: 'fulfilled', value: 'good' }]);
    expect(await batch.add('later')).toBe('later');
  });
});

it('a token bucket lets a burst through at once and its rate in the long run', () => {
  const bucket = new TokenBucket(3, 10, 0);
  const taken = (nowMs: number, wanted: number) =>
    Array.from({ length: wanted }, () => bucket.take(nowMs)).filter(Boolean);
  expect(taken(0, 5)).toHaveLength(3);
  expect(taken(99, 1)).toHaveLength(0);
  expect(taken(200, 5)).toHaveLength(2);
  expect(taken(60_000, 9)).toHaveLength(3);
  expect(bucket.take(60_200, { cost: 2, reserve: 1 })).toBe(false);
  expect(bucket.take(60_200, { cost: 2 })).toBe(true);
});

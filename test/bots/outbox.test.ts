import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { backoffMs } from '../../bots/sdk/backoff.ts';
import { answerReserve, type Entry, type Letter, Outbox } from '../../bots/sdk/outbox.ts';
import { type HubCall, Uplink } from '../../bots/sdk/uplink.ts';
import { type BotFrame, Progress } from '../../src/gen/fleet/v1/fleet.ts';

const never = new AbortController().signal;
const letter = (task = 't'): Letter => ({
  body: { $case: 'progress', value: Progress.fromPartial({ taskId: task }) },
  traceparent: '',
  task,
});

function outbox(limit: number) {
  const settled: number[] = [];
  const box = new Outbox(({ seq }: Entry) => settled.push(seq), limit);
  const drainTo = (window: number) => {
    const sent: number[] = [];
    for (let entry = box.next(window); entry; entry = box.next(window)) sent.push(entry.seq);
    return sent;
  };
  return { box, settled, drainTo };
}

describe('the outbox', () => {
  it('numbers frames 1, 2, 3 and hands each out once per connection', async () => {
    const { box, drainTo, settled } = outbox(10);
    for (let i = 0; i < 3; i += 1) await box.put(letter(), never);
    expect(drainTo(10)).toEqual([1, 2, 3]);
    expect(drainTo(10)).toEqual([]);
    box.resume(1);
    expect(settled).toEqual([1]);
    expect(drainTo(10)).toEqual([2, 3]);
  });

  it('lets those who wait in by turn as room comes', async () => {
    const { box, drainTo } = outbox(1);
    const order: string[] = [];
    await box.put(letter(), never);
    const second = box.put(letter(), never).then((seq) => order.push(`second is ${seq}`));
    const third = box.put(letter(), never).then((seq) => order.push(`third is ${seq}`));
    drainTo(10);
    box.acknowledge(1);
    await second;
    expect(order).toEqual(['second is 2']);
    drainTo(10);
    box.acknowledge(2);
    await third;
    expect(order).toEqual(['second is 2', 'third is 3']);
  });

  it('lets a waiter go with the reason of its signal, and gives it no number', async () => {
    const { box, drainTo } = outbox(1);
    const leaving = new AbortController();
    await box.put(letter(), never);
    const waiting = box.put(letter(), leaving.signal);
    leaving.abort(new Error('the task is gone'));
    await expect(waiting).rejects.toThrow('the task is gone');
    drainTo(10);
    box.acknowledge(1);
    await expect(box.put(letter(), never)).resolves.toBe(2);
  });

  it('takes answers beyond its limit up to the reserve, and refuses the next', async () => {
    const { box } = outbox(1);
    await box.put(letter(), never);
    for (let i = 0; i < answerReserve; i += 1) expect(box.answer(letter(''))).toBe(i + 2);
    expect(box.answer(letter(''))).toBeUndefined();
  });

  it('hands out only as many as the window allows, whatever was settled out of turn', async () => {
    const { box, drainTo } = outbox(10);
    for (let i = 0; i < 5; i += 1) await box.put(letter(), never);
    expect(drainTo(2)).toEqual([1, 2]);
    expect(box.refuse(2)).toMatchObject({ seq: 2 });
    expect(box.refuse(2)).toBeUndefined();
    expect(drainTo(2)).toEqual([3]);
    expect(box.onTheWire).toBe(2);
  });

  it('forgets a task and leaves gaps rather than other numbers', async () => {
    const { box, drainTo } = outbox(10);
    await box.put(letter('a'), never);
    await box.put(letter('b'), never);
    await box.put(letter('a'), never);
    box.forget('a');
    expect(drainTo(10)).toEqual([2]);
    await expect(box.put(letter('b'), never)).resolves.toBe(4);
  });
});

describe('the uplink', () => {
  it('hands no more to a stream than it takes, and goes on when that drains', async () => {
    const { box } = outbox(500);
    for (let i = 0; i < 500; i += 1) await box.put(letter(), never);
    const written: BotFrame[] = [];
    let release = () => {};
    // As grpc-js has it: 16 messages, counted.
    const stream = new Duplex({ objectMode: true, read() {}, highWaterMark: 16 });
    stream._write = (frame, _, done) => {
      written.push(frame);
      release = done;
    };
    const uplink = new Uplink(stream as unknown as HubCall, box, () => 7);
    uplink.allow(500);
    expect(written).toHaveLength(1);
    expect(stream.writableLength).toBe(16);
    uplink.post('credit:shop', { $case: 'credit', value: { kind: 'shop', amount: 1 } });
    uplink.post('credit:shop', { $case: 'credit', value: { kind: 'shop', amount: 0 } });
    while (written.length < 40) {
      release();
      await new Promise(setImmediate);
    }
    expect(stream.writableLength).toBeLessThanOrEqual(16);
    const credits = written.filter(({ body }) => body?.$case === 'credit');
    expect(credits).toMatchObject([{ seq: 0, ack: 7, body: { value: { amount: 0 } } }]);
  });
});

describe('back-off', () => {
  const policy = { firstMs: 100, maxMs: 1_000, factor: 2 };

  it('doubles up to its ceiling, with jitter over the upper half', () => {
    const range = (attempt: number) => [backoffMs(policy, attempt, 0), backoffMs(policy, attempt, 0.999_999)];
    expect([1, 2, 3, 4, 5, 50].map(range)).toEqual([
      [50, 100],
      [100, 200],
      [200, 400],
      [400, 800],
      [500, 1_000],
      [500, 1_000],
    ]);
  });
});

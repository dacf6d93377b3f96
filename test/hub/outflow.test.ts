import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultLimits } from '../../src/hub/limits.ts';
import { type Backlog, Outflow } from '../../src/hub/outflow.ts';

const limits = {
  ...defaultLimits,
  maxQueuedFrames: 64,
  maxQueuedBytes: 100_000,
  maxUnsentFrames: 96,
  maxUnsentBytes: 400_000,
};

interface Stream {
  readonly backlog: Backlog;
  isOver: boolean;
}

/** Streams that have nothing lossy: they end when they are to have less. */
function opened(count: number) {
  const outflow = new Outflow(limits);
  const open = (): Stream => {
    const stream: Stream = {
      isOver: false,
      backlog: outflow.join(() => {
        stream.isOver = true;
        stream.backlog.leave();
      }),
    };
    return stream;
  };
  const streams = Array.from({ length: count }, open);
  return { outflow, open, streams, backlogs: streams.map(({ backlog }) => backlog) };
}

describe('what waits in a hub for bots to read it', () => {
  it('costs a bot its offers by its own bounds while the hub has room', () => {
    const { backlogs } = opened(2);
    const [frames, bytes] = backlogs as [Backlog, Backlog];
    frames.move(15, 0);
    bytes.move(0, 99_999);
    expect(backlogs.map(({ isFlowing }) => isFlowing)).toEqual([true, true]);
    frames.move(1, 0);
    bytes.move(0, 1);
    expect(backlogs.map(({ isFlowing }) => isFlowing)).toEqual([false, false]);
    expect(frames.isFull).toBe(false);
    frames.move(48, 0);
    expect(frames.isFull).toBe(true);
  });

  it('costs those their offers that read least, from half of what the hub holds on', () => {
    const { outflow, backlogs } = opened(16);
    // A fair share is 25,000 bytes.
    const [most, few] = backlogs as [Backlog, Backlog];
    most.move(0, 60_000);
    few.move(0, 12_000);
    expect(most.isFlowing).toBe(true);
    for (const other of backlogs.slice(2)) other.move(0, 10_000);
    expect(backlogs.filter(({ isFlowing }) => !isFlowing)).toEqual([most]);
    expect(outflow.status).toEqual({ unsentFrames: 0, unsentBytes: 212_000, slowStreams: 1 });
    most.move(0, -60_000);
    expect(outflow.status).toMatchObject({ slowStreams: 0 });
  });

  it('ends the stream that has most waiting, and no other, when it is too much', () => {
    const { outflow, streams, backlogs } = opened(8);
    for (const each of backlogs) each.move(11, 0);
    backlogs[3]!.move(8, 0);
    expect(streams.some(({ isOver }) => isOver)).toBe(false);
    backlogs[0]!.move(1, 0);
    expect(streams.map(({ isOver }) => isOver)).toEqual(Array.from(streams, (_, at) => at === 3));
    expect(outflow.status).toMatchObject({ unsentFrames: 78 });
    backlogs[5]!.move(0, 250_000);
    backlogs[6]!.move(0, 150_001);
    expect(streams.filter(({ isOver }) => isOver)).toEqual([streams[3], streams[5]]);
  });

  it('is given back by a stream that is over', () => {
    const { outflow, backlogs } = opened(2);
    for (const each of backlogs) each.move(40, 150_000);
    backlogs[0]!.leave();
    expect(outflow.status).toEqual({ unsentFrames: 40, unsentBytes: 150_000, slowStreams: 1 });
  });

  it('never exceeds its bound, whoever comes, waits, reads and goes, and the others never pay for who has most', () => {
    const what = fc.constantFrom('send', 'send', 'send', 'send', 'read', 'over');
    const steps = fc.array(fc.tuple(fc.nat(39), what), { minLength: 400, maxLength: 1_500 });
    fc.assert(
      fc.property(steps, (played) => {
        const { outflow, open, streams } = opened(40);
        for (const [at, what] of played) {
          const { backlog } = streams[at]!;
          const most = Math.max(...streams.map((each) => each.backlog.frames + (each === streams[at] ? 1 : 0)));
          if (what === 'send' && !backlog.isFull) backlog.move(1, 0);
          else if (what === 'read' && backlog.frames > 0) backlog.move(-1, 0);
          else if (what === 'over') {
            backlog.leave();
            streams[at] = open();
          }
          const { unsentFrames } = outflow.status;
          expect(unsentFrames).toBeLessThanOrEqual(limits.maxUnsentFrames);
          for (const [index, { isOver }] of streams.entries()) {
            if (!isOver) continue;
            streams[index] = open();
            expect(unsentFrames + most).toBe(limits.maxUnsentFrames + 1);
          }
          expect(unsentFrames).toBe(streams.reduce((sum, each) => sum + each.backlog.frames, 0));
        }
      }),
    );
  });
});

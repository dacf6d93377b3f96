import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Counts } from '../../src/hub/counts.ts';
import { Intake, type Share } from '../../src/hub/intake.ts';
import { defaultLimits } from '../../src/hub/limits.ts';
import { nextWindow } from '../../src/hub/window.ts';

const limits = { ...defaultLimits, maxUnacknowledged: 16, maxWaitingFrames: 64, maxWaitingBytes: 1_000_000 };

describe('the window', () => {
  const at = (frames: number, { bytes = 0, streams = 4, current = limits.maxUnacknowledged } = {}) =>
    nextWindow(current, { frames, bytes, streams }, limits);

  it('is whole while half of what the hub can hold is free', () => {
    expect(at(32)).toBe(16);
  });

  it('falls with what waits, to half of a fair share', () => {
    expect([40, 44, 48, 64].map((frames) => at(frames))).toEqual([8, 8, 8, 8]);
    expect([36, 40, 44, 48].map((frames) => at(frames, { streams: 32 }))).toEqual([8, 4, 2, 1]);
  });

  it('falls with bytes as with frames', () => {
    expect(at(0, { bytes: 800_000, streams: 32 })).toBe(1);
  });

  it('does not swing: it grows only when there is room beyond', () => {
    const shrunk = at(40, { streams: 32 });
    expect(at(38, { streams: 32, current: shrunk })).toBe(shrunk);
    expect(at(20, { streams: 32, current: shrunk })).toBe(16);
  });

  it('lets every bot say something, always', () => {
    const anyLoad = fc.record({ frames: fc.nat(1_000), bytes: fc.nat(10_000_000), streams: fc.nat(100_000) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), anyLoad, (current, load) => {
        const window = nextWindow(current, load, limits);
        expect(window).toBeGreaterThanOrEqual(1);
        expect(window).toBeLessThanOrEqual(16);
      }),
    );
  });
});

describe('what waits in a hub', () => {
  interface Stream {
    readonly share: Share;
    paused: string;
  }
  const open = (intake: Intake): Stream => {
    const stream: Stream = {
      paused: '',
      share: intake.join({
        pause: (reason) => {
          stream.paused = reason;
        },
        resume: () => {
          stream.paused = '';
        },
      }),
    };
    return stream;
  };
  const fill = ({ share }: Stream, frames: number, bytes = 10) => {
    for (let n = 0; n < frames; n++) share.add(bytes);
  };
  const empty = ({ share }: Stream, frames: number, bytes = 10) => {
    for (let n = 0; n < frames; n++) share.remove(bytes);
  };

  it('holds back a stream that has more than it may, and lets it go on when half of that is gone', () => {
    const intake = new Intake({ ...limits, maxWaitingFrames: 10_000 }, new Counts());
    const [greedy, modest] = [open(intake), open(intake)];
    fill(greedy, 16 + 64);
    fill(modest, 16);
    expect([greedy.paused, modest.paused]).toEqual(['BOT', '']);
    empty(greedy, 71);
    expect(greedy.paused).toBe('BOT');
    empty(greedy, 1);
    expect(greedy.paused).toBe('');
  });

  it('holds back those above a fair share when it is full, and lets all go on when it is not', () => {
    const intake = new Intake(limits, new Counts());
    const [greedy, modest, ...others] = Array.from({ length: 4 }, () => open(intake));
    fill(greedy!, 63);
    fill(modest!, 1);
    expect([greedy!.paused, modest!.paused]).toEqual(['', '']);
    fill(greedy!, 1);
    fill(modest!, 10);
    expect([greedy!.paused, modest!.paused]).toEqual(['HUB', '']);
    expect(intake.status).toMatchObject({ waitingFrames: 75, pausedStreams: 1, window: 8 });
    expect(others.every(({ paused }) => paused === '')).toBe(true);
    empty(greedy!, 60);
    expect(greedy!.paused).toBe('');
    expect(intake.status).toMatchObject({ waitingFrames: 15, pausedStreams: 0, window: 16 });
  });

  it('has nothing of a stream that is over', () => {
    const intake = new Intake(limits, new Counts());
    const gone = open(intake);
    fill(gone, 80, 1_000);
    gone.share.leave();
    gone.share.remove(1_000);
    expect(intake.status).toEqual({ waitingFrames: 0, waitingBytes: 0, window: 16, pausedStreams: 0 });
  });
});

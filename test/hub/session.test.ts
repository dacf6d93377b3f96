import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MallError } from '../../src/contract/errors.ts';
import { admitBot } from '../../src/hub/admission.ts';
import { decideSession, type SessionEffect, type SessionInput, type SessionState } from '../../src/hub/session.ts';

const error = new MallError('ALREADY_EXISTS', 'taken');

const summary = (effects: readonly SessionEffect[]) =>
  effects
    .map((effect) => {
      if (effect.type === 'end') return `end ${effect.error?.code ?? 'OK'}`;
      if (effect.type !== 'detach') return effect.type;
      return ['detach', effect.giveBack && 'give back', effect.resumable && 'resumable'].filter(Boolean).join(' and ');
    })
    .join(', ');

/** `READY 3` is READY with a stream of epoch 3. */
const stateOf = (text: string) => {
  const [at, epoch] = text.split(' ');
  return (epoch ? { at, epoch: Number(epoch) } : { at }) as SessionState;
};

describe('a session', () => {
  it.each<[string, SessionInput, string, string]>([
    ['HELLO_WAIT', { type: 'hello', epoch: 0 }, 'SYNC', 'admit'],
    ['HELLO_WAIT', { type: 'frame', epoch: 0 }, 'CLOSED', 'end INVALID_ARGUMENT'],
    ['HELLO_WAIT', { type: 'frame', malformed: '3 bytes', epoch: 0 }, 'CLOSED', 'end INVALID_ARGUMENT'],
    ['HELLO_WAIT', { type: 'overdue', afterMs: 5_000, epoch: 0 }, 'CLOSED', 'end DEADLINE_EXCEEDED'],
    ['HELLO_WAIT', { type: 'halfClosed', epoch: 0 }, 'CLOSED', 'end INVALID_ARGUMENT'],
    ['HELLO_WAIT', { type: 'gone', epoch: 0 }, 'CLOSED', 'end OK'],
    ['HELLO_WAIT', { type: 'drain' }, 'CLOSED', 'end UNAVAILABLE'],
    ['HELLO_WAIT', { type: 'flooded', what: 'frames', perSecond: 9, epoch: 0 }, 'CLOSED', 'end RESOURCE_EXHAUSTED'],
    ['SYNC', { type: 'hello', epoch: 0 }, 'SYNC', 'nack'],
    ['SYNC', { type: 'frame', epoch: 0 }, 'SYNC', 'nack'],
    ['SYNC', { type: 'overdue', afterMs: 5_000, epoch: 0 }, 'SYNC', ''],
    ['SYNC', { type: 'admitted', epoch: 1 }, 'READY 1', 'open'],
    ['SYNC', { type: 'handedOver' }, 'CLOSED', ''],
    ['SYNC', { type: 'refused', error }, 'CLOSED', 'end ALREADY_EXISTS'],
    ['SYNC', { type: 'drain' }, 'CLOSED', 'end UNAVAILABLE'],
    ['SYNC', { type: 'gone', epoch: 0 }, 'CLOSED', 'end OK'],
    ['READY 1', { type: 'frame', epoch: 1 }, 'READY 1', 'handle'],
    ['READY 1', { type: 'hello', epoch: 1 }, 'READY 1', 'nack'],
    ['READY 1', { type: 'drain' }, 'DRAINING 1', 'announceDrain'],
    ['READY 1', { type: 'goodbye', epoch: 1 }, 'CLOSED', 'detach and give back, end OK'],
    ['READY 1', { type: 'halfClosed', epoch: 1 }, 'DETACHED 1', 'detach and resumable, end OK'],
    ['READY 1', { type: 'gone', epoch: 1 }, 'DETACHED 1', 'detach and resumable, end OK'],
    [
      'READY 1',
      { type: 'flooded', what: 'frames', perSecond: 9, epoch: 1 },
      'DETACHED 1',
      'detach and resumable, end RESOURCE_EXHAUSTED',
    ],
    ['READY 1', { type: 'overflowed' }, 'DETACHED 1', 'detach and resumable, end RESOURCE_EXHAUSTED'],
    ['READY 1', { type: 'silent', forMs: 1 }, 'DETACHED 1', 'detach and resumable, end UNAVAILABLE'],
    [
      'READY 1',
      { type: 'failed', error: MallError.from(new Error()), epoch: 1 },
      'DETACHED 1',
      'detach and resumable, end INTERNAL',
    ],
    ['READY 1', { type: 'superseded', epoch: 2 }, 'CLOSED', 'detach, end ABORTED'],
    ['READY 1', { type: 'superseded', epoch: 1 }, 'READY 1', ''],
    ['READY 1', { type: 'resumed', epoch: 2 }, 'READY 2', 'end ABORTED, open'],
    ['READY 2', { type: 'resumed', epoch: 2 }, 'READY 2', ''],
    ['READY 2', { type: 'frame', epoch: 1 }, 'READY 2', ''],
    ['READY 2', { type: 'goodbye', epoch: 1 }, 'READY 2', ''],
    ['READY 2', { type: 'gone', epoch: 1 }, 'READY 2', ''],
    ['READY 2', { type: 'graceOver', epoch: 1 }, 'READY 2', ''],
    ['DRAINING 1', { type: 'frame', epoch: 1 }, 'DRAINING 1', 'handle'],
    ['DRAINING 1', { type: 'drain' }, 'DRAINING 1', ''],
    ['DRAINING 1', { type: 'goodbye', epoch: 1 }, 'CLOSED', 'detach and give back, end OK'],
    ['DRAINING 1', { type: 'halfClosed', epoch: 1 }, 'DETACHED 1', 'detach and resumable, end OK'],
    ['DRAINING 1', { type: 'drained' }, 'DETACHED 1', 'detach and resumable, end UNAVAILABLE'],
    ['DETACHED 1', { type: 'resumed', epoch: 2 }, 'READY 2', 'open'],
    ['DETACHED 1', { type: 'graceOver', epoch: 1 }, 'EXPIRED', 'forget'],
    ['DETACHED 2', { type: 'graceOver', epoch: 1 }, 'DETACHED 2', ''],
    ['DETACHED 1', { type: 'superseded', epoch: 2 }, 'EXPIRED', 'forget'],
    ['DETACHED 2', { type: 'superseded', epoch: 2 }, 'DETACHED 2', ''],
    ['DETACHED 1', { type: 'drained' }, 'EXPIRED', 'forget'],
    ['DETACHED 1', { type: 'frame', epoch: 1 }, 'DETACHED 1', ''],
    ['DETACHED 1', { type: 'goodbye', epoch: 1 }, 'DETACHED 1', ''],
    ['EXPIRED', { type: 'resumed', epoch: 2 }, 'EXPIRED', ''],
    ['CLOSED', { type: 'frame', epoch: 1 }, 'CLOSED', ''],
    ['CLOSED', { type: 'admitted', epoch: 1 }, 'CLOSED', 'detach'],
  ])('%s with %o', (before, input, after, effects) => {
    const step = decideSession(stateOf(before), input);
    expect(step.state).toEqual(stateOf(after));
    expect(summary(step.effects)).toBe(effects);
  });

  type Told = Exclude<SessionInput['type'], 'admitted' | 'handedOver'>;
  /** All that a session may be told but for the answers to an admission, which come once. */
  const inputs = (epoch: number): { readonly [T in Told]: Extract<SessionInput, { type: T }> } => ({
    hello: { type: 'hello', epoch },
    frame: { type: 'frame', epoch },
    goodbye: { type: 'goodbye', epoch },
    halfClosed: { type: 'halfClosed', epoch },
    gone: { type: 'gone', epoch },
    overdue: { type: 'overdue', afterMs: 5_000, epoch },
    flooded: { type: 'flooded', what: 'frames', perSecond: 9, epoch },
    failed: { type: 'failed', error, epoch },
    refused: { type: 'refused', error },
    drain: { type: 'drain' },
    drained: { type: 'drained' },
    superseded: { type: 'superseded', epoch },
    resumed: { type: 'resumed', epoch },
    graceOver: { type: 'graceOver', epoch },
    overflowed: { type: 'overflowed' },
    silent: { type: 'silent', forMs: 1 },
  });
  const told = fc.constantFrom(...(Object.keys(inputs(0)) as Told[]));

  it('ends each of its streams once, hears nothing of an older one, and is over after the last input that could revive it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(told, fc.nat({ max: 4 })), { maxLength: 30, size: 'max' }),
        fc.integer({ min: 0, max: 3 }),
        // Most of what can be said first is the end: the story begins behind it.
        fc.constantFrom('hello' as const, 'hello' as const, 'frame' as const),
        (rest, admittedAfter, first) => {
          const story = [[first, 0] as const, ...rest];
          let state: SessionState = { at: 'HELLO_WAIT' };
          const streams = { opened: 0, ended: 0, detached: 0 };
          const feed = (input: SessionInput) => {
            const before = state;
            const step = decideSession(state, input);
            state = step.state;
            if ('epoch' in before) {
              if ('epoch' in state) expect(state.epoch).toBeGreaterThanOrEqual(before.epoch);
              if ('epoch' in input && input.epoch < before.epoch) expect(step).toEqual({ state: before, effects: [] });
            }
            for (const { type } of step.effects) {
              if (type === 'open') streams.opened += 1;
              if (type === 'end') streams.ended += 1;
              if (type === 'detach') streams.detached += 1;
              if (type === 'handle') expect(state.at).toMatch(/READY|DRAINING/);
            }
          };
          let isAdmitting = false;
          story.forEach(([what, epoch], turn) => {
            if (state.at === 'SYNC') isAdmitting = true;
            if (isAdmitting && turn >= admittedAfter) {
              isAdmitting = false;
              feed({ type: 'admitted', epoch: 1 });
            }
            feed(inputs(epoch)[what]);
          });
          feed({ type: 'drain' });
          feed({ type: 'drained' });
          feed({ type: 'drained' });
          expect(state.at).toMatch(/CLOSED|EXPIRED/);
          // A stream that ended before it was admitted was never opened.
          expect(streams.ended).toBe(Math.max(1, streams.opened));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('an admission', () => {
  const now = new Date('2026-05-04T10:00:00Z');
  const known = {
    instanceId: 'one',
    connected: true,
    sessionExpiresAt: new Date('2026-05-04T10:00:05Z'),
    hubId: 'hub',
    now,
  };
  const hello = { botId: 'bot', instanceId: 'two' };
  const same = { ...hello, instanceId: 'one' };
  const anew = { supersededOn: undefined, continues: false };

  it.each([
    ['unknown', undefined],
    ['detached', { ...known, connected: false }],
    ['expired', { ...known, sessionExpiresAt: now }],
  ])('is given to another instance of a bot that is %s, as a new session', (_, bot) => {
    expect(admitBot(bot, hello, false)).toEqual(anew);
  });

  it('continues the session of the same instance with its newest token, while that waits', () => {
    expect(admitBot({ ...known, connected: false }, same, true)).toEqual({ ...anew, continues: true });
    expect(admitBot({ ...known, connected: false }, same, false)).toEqual(anew);
    expect(admitBot({ ...known, connected: false, sessionExpiresAt: now }, same, true)).toEqual(anew);
  });

  it('does not continue the session for another instance, whatever token that has', () => {
    expect(admitBot({ ...known, connected: false }, hello, true)).toEqual(anew);
  });

  it('ends the older stream of the same instance, wherever that is', () => {
    expect(admitBot(known, same, false)).toEqual({ supersededOn: 'hub', continues: false });
    expect(admitBot(known, same, true)).toEqual({ supersededOn: 'hub', continues: true });
  });

  it('is refused to a second live instance, with the time to try again', () => {
    expect(() => admitBot(known, hello, true)).toThrow(
      /"bot" is connected as instance one; .*2026-05-04T10:00:05.000Z/,
    );
  });
});

it('says why a first frame cannot be read', () => {
  const { effects } = decideSession(
    { at: 'HELLO_WAIT' },
    { type: 'frame', malformed: '3 bytes are no frame', epoch: 0 },
  );

  expect(effects.at(-1)).toMatchObject({ type: 'end', error: { message: '3 bytes are no frame; say hello first' } });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MallError } from '../../src/contract/errors.ts';
import { admitBot } from '../../src/hub/admission.ts';
import { decideSession, type SessionEffect, type SessionInput, type SessionState } from '../../src/hub/session.ts';

const error = new MallError('ALREADY_EXISTS', 'taken');

const summary = (effects: readonly SessionEffect[]) =>
  effects
    .map((effect) => {
      if (effect.type === 'close') return `close ${effect.error?.code ?? 'OK'}`;
      return effect.type === 'detach' && effect.giveBack ? 'detach and give back' : effect.type;
    })
    .join(', ');

describe('a session', () => {
  it.each<[SessionState, SessionInput, SessionState, string]>([
    ['HELLO_WAIT', { type: 'hello' }, 'SYNC', 'admit'],
    ['HELLO_WAIT', { type: 'frame' }, 'CLOSED', 'close INVALID_ARGUMENT'],
    ['HELLO_WAIT', { type: 'frame', malformed: '3 bytes are no frame' }, 'CLOSED', 'close INVALID_ARGUMENT'],
    ['HELLO_WAIT', { type: 'overdue', afterMs: 5_000 }, 'CLOSED', 'close INVALID_ARGUMENT'],
    ['HELLO_WAIT', { type: 'halfClosed' }, 'CLOSED', 'close INVALID_ARGUMENT'],
    ['HELLO_WAIT', { type: 'drain' }, 'CLOSED', 'close UNAVAILABLE'],
    ['SYNC', { type: 'hello' }, 'SYNC', 'nack'],
    ['SYNC', { type: 'frame' }, 'SYNC', 'nack'],
    ['SYNC', { type: 'overdue', afterMs: 5_000 }, 'SYNC', ''],
    ['SYNC', { type: 'admitted' }, 'READY', 'open'],
    ['SYNC', { type: 'refused', error }, 'CLOSED', 'close ALREADY_EXISTS'],
    ['SYNC', { type: 'gone' }, 'CLOSED', 'close OK'],
    ['READY', { type: 'frame' }, 'READY', 'handle'],
    ['READY', { type: 'hello' }, 'READY', 'nack'],
    ['READY', { type: 'drain' }, 'DRAINING', 'announceDrain'],
    ['READY', { type: 'goodbye' }, 'CLOSED', 'detach and give back, close OK'],
    ['READY', { type: 'halfClosed' }, 'CLOSED', 'detach, close OK'],
    ['READY', { type: 'gone' }, 'CLOSED', 'detach, close OK'],
    ['READY', { type: 'superseded', epoch: 2 }, 'CLOSED', 'detach, close ABORTED'],
    ['READY', { type: 'flooded', what: 'frames', perSecond: 9 }, 'CLOSED', 'detach, close RESOURCE_EXHAUSTED'],
    ['READY', { type: 'overflowed' }, 'CLOSED', 'detach, close RESOURCE_EXHAUSTED'],
    ['READY', { type: 'silent', forMs: 1 }, 'CLOSED', 'detach, close UNAVAILABLE'],
    ['READY', { type: 'failed', error: MallError.from(new Error()) }, 'CLOSED', 'detach, close INTERNAL'],
    ['DRAINING', { type: 'frame' }, 'DRAINING', 'handle'],
    ['DRAINING', { type: 'drain' }, 'DRAINING', ''],
    ['DRAINING', { type: 'drained' }, 'CLOSED', 'detach, close UNAVAILABLE'],
    ['CLOSED', { type: 'frame' }, 'CLOSED', ''],
    ['CLOSED', { type: 'admitted' }, 'CLOSED', 'detach'],
  ])('%s with %o', (state, input, next, effects) => {
    const step = decideSession(state, input);
    expect(step.state).toBe(next);
    expect(summary(step.effects)).toBe(effects);
  });

  it('closes once, detaches once when it was admitted, and opens at most once, whatever comes in whatever order', () => {
    const inputs: SessionInput[] = [
      { type: 'hello' },
      { type: 'frame' },
      { type: 'goodbye' },
      { type: 'halfClosed' },
      { type: 'drain' },
      { type: 'drained' },
      { type: 'overdue', afterMs: 5_000 },
      { type: 'superseded', epoch: 2 },
      { type: 'gone' },
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...inputs)), fc.integer({ min: 0, max: 10 }), (story, admittedAfter) => {
        let state: SessionState = 'HELLO_WAIT';
        let isAdmitting = false;
        let isAdmitted = false;
        const done: string[] = [];
        const feed = (input: SessionInput) => {
          const step = decideSession(state, input);
          state = step.state;
          for (const { type } of step.effects) {
            done.push(type);
            isAdmitting ||= type === 'admit';
          }
        };
        story.forEach((input, index) => {
          if (isAdmitting && !isAdmitted && index >= admittedAfter) {
            isAdmitted = true;
            feed({ type: 'admitted' });
          }
          feed(input);
        });
        if (isAdmitting && !isAdmitted) {
          isAdmitted = true;
          feed({ type: 'admitted' });
        }
        feed({ type: 'gone' });
        const count = (type: string) => done.filter((each) => each === type).length;
        expect(count('close')).toBe(1);
        expect(count('detach')).toBe(isAdmitted ? 1 : 0);
        expect(count('open')).toBeLessThanOrEqual(1);
        expect(count('handle') > 0 && count('open') === 0).toBe(false);
      }),
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
  };
  const hello = { botId: 'bot', instanceId: 'two' };

  it.each([
    ['unknown', undefined],
    ['detached', { ...known, connected: false }],
    ['expired', { ...known, sessionExpiresAt: now }],
  ])('is given to a bot that is %s', (_, bot) => {
    expect(admitBot(bot, hello, now)).toEqual({ supersededOn: undefined });
  });

  it('ends the older stream of the same instance, wherever that is', () => {
    expect(admitBot(known, { ...hello, instanceId: 'one' }, now)).toEqual({ supersededOn: 'hub' });
  });

  it('is refused to a second live instance, with the time to try again', () => {
    expect(() => admitBot(known, hello, now)).toThrow(/"bot" is connected as instance one; .*2026-05-04T10:00:05.000Z/);
  });
});

it('says why a first frame cannot be read', () => {
  const { effects } = decideSession('HELLO_WAIT', { type: 'frame', malformed: '3 bytes are no frame' });

  expect(effects.at(-1)).toMatchObject({ type: 'close', error: { message: '3 bytes are no frame; say hello first' } });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Assignable, type Candidate, canTake, fits, nearestWilling } from '../../src/hub/assign.ts';
import type { Arm } from '../../src/hub/protocol/rollout-record.ts';
import { WillingBots } from '../../src/hub/willing.ts';

const schema = { kind: 'shop', revision: 1, digest: 'sha256:one' };
const task = (taskId: string, x = 0) => ({ taskId, schema, position: { x, y: 0 }, onlyBotId: '' });
const bot = (botId: string, x: number, more: Partial<Candidate> = {}): Candidate => ({
  botId,
  position: { x, y: 0 },
  load: 0,
  free: new Map([['shop', 1]]),
  digests: new Map([[schema.digest, schema]]),
  own: new Map(),
  spoken: new Map([['shop', schema]]),
  tries: new Set(),
  shunned: new Set(),
  ...more,
});
const willingOf = (bots: readonly Candidate[]) => {
  const willing = new WillingBots();
  for (const each of bots) willing.set(each);
  return willing;
};
const pairs = (tasks: readonly Assignable[], bots: readonly Candidate[], arm?: Arm) =>
  nearestWilling(tasks, willingOf(bots), () => arm).map(({ task, botId }) => `${task.taskId}→${botId}`);

it('a bot that begins to try a revision is found among those that do, and once', () => {
  const willing = willingOf([bot('b', 0), bot('b', 0, { tries: new Set(['shop']) })]);
  expect([...willing.nearest(task('a'))]).toHaveLength(1);
  const pairsOf = (arm: Arm) => nearestWilling([task('a')], willingOf([bot('other', 0), ...willing]), () => arm);
  expect(pairsOf('canary')).toMatchObject([{ botId: 'b' }]);
  expect(pairsOf('control')).toMatchObject([{ botId: 'other' }]);
});

describe('tasks are assigned', () => {
  it('to the nearest bot', () => {
    expect(pairs([task('a', 90)], [bot('near', 80), bot('far', 10)])).toEqual(['a→near']);
  });

  it('to the one with less to do where two are as near', () => {
    expect(pairs([task('a')], [bot('busy', 5, { load: 1 }), bot('idle', 5)])).toEqual(['a→idle']);
    const anywhere = { ...task('a'), position: undefined };
    expect(pairs([anywhere], [bot('busy', 5, { load: 1 }), bot('idle', 900)])).toEqual(['a→idle']);
  });

  it('in the order of the queue, a bot that is full giving way to the next nearest', () => {
    expect(pairs([task('a'), task('b'), task('c')], [bot('near', 1), bot('far', 9)])).toEqual(['a→near', 'b→far']);
  });

  it('to bots that stand anywhere rather than to those of whom nobody knows where', () => {
    expect(pairs([task('a')], [bot('lost', 0, { position: undefined }), bot('far', 500)])).toEqual(['a→far']);
    expect(pairs([task('a')], [bot('lost', 0, { position: undefined })])).toEqual(['a→lost']);
  });

  it('only to bots that serve the kind, hold its digest and have not just declined', () => {
    expect(pairs([task('a')], [bot('other', 0, { free: new Map([['dance', 1]]) })])).toEqual([]);
    expect(pairs([task('a')], [bot('old', 0, { digests: new Map([['sha256:zero', schema]]) })])).toEqual([]);
    expect(pairs([task('a'), task('b')], [bot('picky', 0, { shunned: new Set(['a']) })])).toEqual(['b→picky']);
  });

  it('to the one bot that may have it, however far, and to nobody else', () => {
    const pinned = { ...task('a'), onlyBotId: 'far' };
    expect(pairs([pinned], [bot('near', 0), bot('far', 500)])).toEqual(['a→far']);
    expect(pairs([pinned], [bot('near', 0)])).toEqual([]);
  });

  it('while a revision is tried to the nearest bot of the arm that a task is for, and to the nearest of all when none of it has room', () => {
    const tries = new Set(['shop']);
    const bots = [bot('other', 0), bot('tries, far', 500, { tries }), bot('tries', 50, { tries }), bot('far', 90)];
    expect(pairs([task('a'), task('b'), task('c')], bots, 'canary')).toEqual(['a→tries', 'b→tries, far', 'c→other']);
    expect(pairs([task('a'), task('b'), task('c')], bots, 'control')).toEqual(['a→other', 'b→far', 'c→tries']);
    const elsewhere = bots.map((each) => ({ ...each, tries: new Set(['dance']) }));
    expect(pairs([task('a')], elsewhere, 'canary')).toEqual(['a→other']);
  });

  it('never beyond the room of a bot, never twice, and never held back while somebody has room', () => {
    const bots = fc.uniqueArray(fc.record({ id: fc.nat(9), x: fc.integer({ min: -50, max: 50 }), room: fc.nat(3) }), {
      selector: ({ id }) => id,
    });
    fc.assert(
      fc.property(bots, fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 15 }), (given, xs) => {
        const candidates = given.map(({ id, x, room }) =>
          bot(`bot${id}`, x, { free: new Map([['shop', room]]), tries: new Set(id % 2 === 0 ? ['shop'] : []) }),
        );
        const result = nearestWilling(
          xs.map((x, index) => task(`task${index}`, x)),
          willingOf(candidates),
          ({ position }) => (['canary', 'control', undefined] as const)[Math.abs(position.x) % 3],
        );
        const room = given.reduce((sum, each) => sum + each.room, 0);
        expect(result).toHaveLength(Math.min(room, xs.length));
        expect(new Set(result.map(({ task }) => task.taskId)).size).toBe(result.length);
        for (const { id, room } of given) {
          expect(result.filter(({ botId }) => botId === `bot${id}`).length).toBeLessThanOrEqual(room);
        }
      }),
    );
  });

  it('as by a look at every bot, wherever they stand and whatever they have become since', () => {
    const places = fc.option(fc.record({ x: fc.integer({ min: -60, max: 60 }), y: fc.nat(3) }), { nil: undefined });
    const state = fc.record({
      id: fc.nat(7),
      position: places,
      load: fc.nat(2),
      room: fc.nat(2),
      far: fc.boolean(),
      tried: fc.boolean(),
    });
    const arms = fc.constantFrom<Arm | undefined>('canary', 'control', undefined);
    fc.assert(
      fc.property(
        fc.array(state, { maxLength: 25 }),
        fc.array(places, { minLength: 1, maxLength: 6 }),
        arms,
        (states, at, arm) => {
          const now = new Map<string, Candidate>();
          const willing = new WillingBots();
          for (const { id, position, load, room, far, tried } of states) {
            // Some stand so far away that the floor between is empty.
            const away = position && { x: position.x * (far ? 1_000 : 1), y: position.y };
            const tries = new Set(tried ? ['shop'] : []);
            const candidate = bot(`bot${id}`, 0, { position: away, load, free: new Map([['shop', room]]), tries });
            now.set(candidate.botId, candidate);
            willing.set(candidate);
            if (room > 0) continue;
            now.delete(candidate.botId);
            willing.delete(candidate.botId);
          }
          expect(new Set([...willing].map(({ botId }) => botId))).toEqual(new Set(now.keys()));
          expect(willing.room).toBe([...now.values()].reduce((sum, { free }) => sum + free.get('shop')!, 0));
          for (const position of at) {
            const asked = { ...task('a'), position };
            const [pair] = nearestWilling([asked], willing, () => arm);
            const rank = (candidate: Candidate) => [
              fits(candidate, 'shop', arm) ? 0 : 1,
              metres(position, candidate.position),
              candidate.load,
            ];
            const able = [...now.values()].filter((candidate) => canTake(candidate, asked)).map(rank);
            const [best] = able.sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]! || a[2]! - b[2]!);
            expect(pair && rank(now.get(pair.botId)!)).toEqual(best);
          }
        },
      ),
    );
  });

  it('without a look at more than a few of 5,000 bots, wherever they stand', () => {
    const looked = new Set<string>();
    const seen = (botId: string, x: number, y: number, kind = 'shop') => ({
      ...bot(botId, 0, { position: { x, y }, free: new Map([[kind, 1]]) }),
      get shunned() {
        looked.add(botId);
        return new Set<string>();
      },
    });
    const spread = Array.from({ length: 5_000 }, (_, n) => seen(`spread${n}`, (n % 100) * 5, Math.floor(n / 100) * 5));
    const away = Array.from({ length: 5_000 }, (_, n) =>
      seen(`away${n}`, 5_000 + (n % 50), 5_000 + Math.floor(n / 50)),
    );
    const dancers = Array.from({ length: 5_000 }, (_, n) => seen(`dancer${n}`, 250, 120, 'dance'));
    for (const [bots, point] of [
      [[...spread, ...dancers], { x: 250, y: 120 }],
      [away, { x: 250, y: 120 }],
      [away, undefined],
    ] as const) {
      const willing = willingOf(bots);
      looked.clear();
      expect(nearestWilling([{ ...task('a'), position: point }], willing, () => undefined)).toHaveLength(1);
      expect(looked.size).toBeLessThan(5);
    }
  });
});

const metres = (a: Candidate['position'], b: Candidate['position']) =>
  a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 1e9;

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, nearestWilling } from '../../src/hub/assign.ts';
import type { Arm } from '../../src/hub/protocol/rollout-record.ts';

const schema = { kind: 'shop', revision: 1, digest: 'sha256:one' };
const task = (taskId: string, x = 0) => ({ taskId, schema, position: { x, y: 0 }, onlyBotId: '' });
const bot = (botId: string, x: number, more: Partial<Candidate> = {}): Candidate => ({
  botId,
  position: { x, y: 0 },
  load: 0,
  free: new Map([['shop', 1]]),
  digests: new Set([schema.digest]),
  tries: new Set(),
  shunned: new Set(),
  ...more,
});
const pairs = (tasks: ReadonlyArray<ReturnType<typeof task>>, candidates: readonly Candidate[], arm?: Arm) =>
  nearestWilling(tasks, candidates, () => arm).map(({ task, botId }) => `${task.taskId}→${botId}`);

describe('tasks are assigned', () => {
  it('to the nearest bot', () => {
    expect(pairs([task('a', 90)], [bot('near', 80), bot('far', 10)])).toEqual(['a→near']);
  });

  it('to the one with less to do where two are as near, then by name', () => {
    expect(pairs([task('a')], [bot('busy', 5, { load: 1 }), bot('idle', 5)])).toEqual(['a→idle']);
    expect(pairs([task('a')], [bot('b', 5), bot('a', 5)])).toEqual(['a→a']);
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
    expect(pairs([task('a')], [bot('old', 0, { digests: new Set(['sha256:zero']) })])).toEqual([]);
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
          candidates,
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
});

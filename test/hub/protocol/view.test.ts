import { describe, expect, it } from 'vitest';
import { kinds } from '../../../src/gen/kinds.ts';
import { readTranslation } from '../../../src/hub/protocol/majors/document.ts';
import { isMember } from '../../../src/hub/protocol/membership.ts';
import type { RevisionState } from '../../../src/hub/protocol/revision-states.ts';
import { maxToldBytes, ProtocolView, type Share } from '../../../src/hub/protocol/view.ts';
import { shopTranslation } from '../../support/shop-v2.ts';

/** Revisions of kind shop in these states, named r1, r2 ..., r1 being the built-in one where asked for. */
function viewOf(states: readonly RevisionState[], { percent = 50, builtIn = false, bytes = 0 } = {}) {
  const revisions = states.map((state, index) => {
    const digest = builtIn && index === 0 ? kinds.shop.digest : `r${index + 1}`;
    const schema = { kind: 'shop', revision: index + 1, digest };
    const messages = { taskMessage: '', progressMessage: '', resultMessage: '' };
    return { schema, state, offer: { schema, fileDescriptorSet: Buffer.alloc(bytes), ...messages } };
  });
  const canary = revisions.find(({ state }) => state === 'CANARY');
  const shares = canary ? [{ rolloutId: 'rollout', kind: 'shop', digest: canary.schema.digest, percent }] : [];
  return new ProtocolView(new Map([['shop', 1]]), revisions, shares);
}
const bot = (botId: string, ...applied: string[]) => ({
  botId,
  kinds: new Set(['shop']),
  anyKind: false,
  applied: new Set(applied),
});
const ids = Array.from({ length: 2_000 }, (_, index) => `bot-${index}`);
const member = ids.find((id) => isMember('rollout', id, 50))!;
const stranger = ids.find((id) => !isMember('rollout', id, 50))!;

describe('the share of a rollout', () => {
  it.each([1, 10, 50, 100])('of %s percent is that part of the bots', (percent) => {
    const share = ids.filter((id) => isMember('r', id, percent)).length / ids.length;
    expect(Math.abs(share - percent / 100)).toBeLessThan(0.03);
  });

  it('grows without losing anybody, and is another one in the next rollout', () => {
    const tenth = ids.filter((id) => isMember('r', id, 10));
    expect(tenth.every((id) => isMember('r', id, 25))).toBe(true);
    const next = tenth.filter((id) => isMember('s', id, 10));
    expect(next.length).toBeLessThan(tenth.length / 2);
  });

  it('is that part of the tasks as well, none of which is tried again once it has failed', () => {
    const view = viewOf(['ACTIVE', 'CANARY'], { percent: 10 });
    const schema = { kind: 'shop' };
    const tried = ids.filter((taskId) => view.armOf({ taskId, schema, attempt: 1 }) === 'canary');
    expect(Math.abs(tried.length / ids.length - 0.1)).toBeLessThan(0.03);
    expect(tried.map((taskId) => view.armOf({ taskId, schema, attempt: 2 }))).not.toContain('canary');
    expect(view.armOf({ taskId: tried[0]!, schema: { kind: 'return' }, attempt: 1 })).toBeUndefined();
    expect(viewOf(['ACTIVE']).armOf({ taskId: tried[0]!, schema, attempt: 1 })).toBeUndefined();
  });
});

describe('a bot is offered tasks', () => {
  it.each<[string, string, RevisionState[], string[], string | undefined]>([
    ['in the newest ACTIVE revision that it has applied', stranger, ['ACTIVE', 'ACTIVE', 'ACTIVE'], ['r1', 'r2'], 'r2'],
    ['in a DEPRECATED one when it has nothing else', stranger, ['DEPRECATED', 'ACTIVE'], ['r1'], 'r1'],
    ['not in a DEPRECATED one when it has another', stranger, ['ACTIVE', 'DEPRECATED'], ['r1', 'r2'], 'r1'],
    ['in a canary that it is in the share of', member, ['ACTIVE', 'CANARY'], ['r1', 'r2'], 'r2'],
    ['in the one before when it has not applied the canary', member, ['ACTIVE', 'CANARY'], ['r1'], 'r1'],
    ['not in a canary of others, even if it has it', stranger, ['ACTIVE', 'CANARY'], ['r1', 'r2'], 'r1'],
    ['not in one that was rolled back', member, ['ACTIVE', 'ROLLED_BACK'], ['r1', 'r2'], 'r1'],
    [
      'in none that is over',
      member,
      ['RETIRED', 'DRAINED', 'ROLLED_BACK', 'CHECKED'],
      ['r1', 'r2', 'r3', 'r4'],
      undefined,
    ],
  ])('%s', (_, botId, states, applied, expected) => {
    expect(viewOf(states).spoken('shop', bot(botId, ...applied))?.digest).toBe(expected);
  });
});

describe('a bot is told', () => {
  const added = (view: ProtocolView, speaker: ReturnType<typeof bot>, told = new Set<string>()) =>
    view.news(speaker, told)?.add.map(({ schema }) => schema!.digest);

  it('what is ACTIVE and it lacks, once', () => {
    const view = viewOf(['DEPRECATED', 'ACTIVE', 'CHECKED', 'ACTIVE']);
    const told = new Set<string>();
    expect(added(view, bot(stranger, 'r4'), told)).toEqual(['r2']);
    expect(added(view, bot(stranger, 'r4'), told)).toBeUndefined();
  });

  it('of many revisions in several frames, each of which fits', () => {
    const states = Array.from({ length: 7 }, (): RevisionState => 'ACTIVE');
    const [speaker, told] = [bot(stranger), new Set<string>()];
    const of = (bytes: number) => {
      const [view, seen] = [viewOf(states, { bytes }), new Set<string>()];
      return states.map(() => added(view, speaker, seen)?.length ?? 0);
    };
    expect(of(maxToldBytes / 3)).toEqual([3, 3, 1, 0, 0, 0, 0]);
    expect(of(maxToldBytes)).toEqual([1, 1, 1, 1, 1, 1, 1]);
    expect(of(10)).toEqual([7, 0, 0, 0, 0, 0, 0]);
    const view = viewOf(states, { bytes: maxToldBytes });
    const all = states.flatMap(() => added(view, speaker, told) ?? []);
    expect(all.toSorted()).toEqual(['r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7']);
  });

  it('of a canary only in its share', () => {
    expect(added(viewOf(['ACTIVE', 'CANARY']), bot(member, 'r1'))).toEqual(['r2']);
    expect(added(viewOf(['ACTIVE', 'CANARY']), bot(stranger, 'r1'))).toBeUndefined();
    expect(added(viewOf(['ACTIVE', 'CANARY'], { percent: 100 }), bot(stranger, 'r1'))).toEqual(['r2']);
  });

  it('what it may forget, and again what comes back after a rollback', () => {
    const told = new Set<string>();
    expect(added(viewOf(['ACTIVE', 'ACTIVE']), bot(member, 'r1'), told)).toEqual(['r2']);
    const rolledBack = viewOf(['ACTIVE', 'ROLLED_BACK']);
    expect(rolledBack.news(bot(member, 'r1', 'r2'), told)).toMatchObject({ add: [], remove: ['r2'] });
    expect(added(viewOf(['ACTIVE', 'ACTIVE']), bot(member, 'r1'), told)).toEqual(['r2']);
  });

  it('nothing of what it has and tasks still come in, or may again', () => {
    const view = viewOf(['DEPRECATED', 'DRAINED', 'ACTIVE']);
    expect(view.news(bot(stranger, 'r1', 'r2', 'r3'), new Set())).toBeUndefined();
  });

  it('each time that nothing of what it has is in use any more', () => {
    const told = new Set<string>();
    const retiredOf = (states: RevisionState[], ...applied: string[]) =>
      viewOf(states)
        .news(bot(stranger, ...applied), told)
        ?.retired.map(({ message }) => message);
    expect(retiredOf(['RETIRED', 'ACTIVE'], 'r1')).toEqual([expect.stringContaining('revision 1')]);
    expect(retiredOf(['RETIRED', 'RETIRED', 'ACTIVE'], 'r2')).toEqual([expect.stringContaining('revision 2')]);
    expect(retiredOf(['RETIRED', 'RETIRED', 'ACTIVE'], 'r2')).toEqual([]);
  });

  it('that nothing of what it has is in use any more', () => {
    const news = viewOf(['RETIRED', 'ACTIVE']).news(bot(stranger, 'r1'), new Set());
    expect(news).toMatchObject({
      add: [{ schema: { digest: 'r2' } }],
      remove: ['r1'],
      retired: [
        { kind: 'shop', message: 'of shop the bot has applied revision 1, which is RETIRED; in use is revision 2' },
      ],
    });
  });

  it('of every kind when it serves any, of its own otherwise', () => {
    const view = viewOf(['ACTIVE']);
    const other = { ...bot(stranger), kinds: new Set(['return']) };
    expect(added(view, other)).toBeUndefined();
    expect(added(view, { ...other, anyKind: true })).toEqual(['r1']);
  });
});

describe('a payload', () => {
  it('may be written in any revision that was checked, and in the built-in one for ever', () => {
    const view = viewOf(['RETIRED', 'RETIRED', 'DEPRECATED', 'ACTIVE', 'CHECKED', 'DRAFT'], { builtIn: true });
    const flaws = [kinds.shop.digest, 'r2', 'r3', 'r4', 'r5', 'r6', 'r7'].map((digest) =>
      view.flawOf({ kind: 'shop', digest }),
    );
    expect(flaws).toEqual([
      undefined,
      'which is RETIRED; write in revision 4',
      undefined,
      undefined,
      undefined,
      'which is DRAFT; write in revision 4',
      'which this hub does not know',
    ]);
    expect(view.flawOf({ kind: 'return', digest: 'r4' })).toBe('which this hub does not know');
  });
});

describe('what bots can be given tasks in', () => {
  it('is one object for all that speak the same', () => {
    const view = viewOf(['DEPRECATED', 'ACTIVE']);
    const first = view.readingOf(bot('a', 'r1', 'r2'));
    expect(view.readingOf(bot('b', 'r2'))).toBe(first);
    expect(first.spoken.get('shop')?.digest).toBe('r2');
    expect([...first.digests.keys()].sort()).toEqual(['r1', 'r2']);
    expect(first.own).toBe(first.digests);
    expect(view.readingOf(bot('c', 'r1')).spoken.get('shop')?.digest).toBe('r1');
  });

  it('is something else for those who try a revision', () => {
    const view = viewOf(['ACTIVE', 'CANARY']);
    const trying = view.readingOf(bot(member, 'r1', 'r2'));
    expect([...trying.tries]).toEqual(['shop']);
    const others = view.readingOf(bot(stranger, 'r1', 'r2'));
    expect([...others.tries]).toEqual([]);
    expect(others.spoken.get('shop')?.digest).toBe('r1');
  });
});

describe('two majors of a kind', () => {
  /** One revision of each, named like it. */
  function familyOf(states: Readonly<Record<'shop' | 'shop.v2', RevisionState>>, shares: readonly Share[] = []) {
    const revisions = Object.entries(states).map(([kind, state]) => {
      const schema = { kind, revision: 1, digest: kind };
      const messages = { taskMessage: '', progressMessage: '', resultMessage: '' };
      return { schema, state, offer: { schema, fileDescriptorSet: Buffer.alloc(0), ...messages } };
    });
    const rules = readTranslation(JSON.stringify(shopTranslation));
    return new ProtocolView(new Map(), revisions, shares, [{ rules, version: 1 }]);
  }
  const both = { ...bot(stranger, 'shop', 'shop.v2'), kinds: new Set(['shop', 'shop.v2']) };

  it.each<[RevisionState, RevisionState, string]>([
    ['ACTIVE', 'ACTIVE', 'shop.v2'],
    ['ACTIVE', 'DEPRECATED', 'shop'],
    ['DEPRECATED', 'ACTIVE', 'shop.v2'],
    ['DEPRECATED', 'DEPRECATED', 'shop.v2'],
  ])('%s and %s: who speaks both does the tasks of both in %s', (shop, next, expected) => {
    const { spoken } = familyOf({ shop, 'shop.v2': next }).readingOf(both);
    expect([...spoken].map(([kind, { digest }]) => [kind, digest])).toEqual([
      ['shop', expected],
      ['shop.v2', expected],
    ]);
  });

  it('of which the newer is tried: tasks of the older are, too, unless that tries one of its own', () => {
    const share = (kind: 'shop' | 'shop.v2', percent: number) => ({ rolloutId: kind, kind, digest: kind, percent });
    const asked = { taskId: 'task', schema: { kind: 'shop' }, attempt: 1 };
    const states = { shop: 'ACTIVE', 'shop.v2': 'CANARY' } as const;
    expect(familyOf(states, [share('shop.v2', 100)]).armOf(asked)).toBe('canary');
    const ownFirst = [share('shop.v2', 100), share('shop', 0)];
    expect(familyOf(states, ownFirst).armOf(asked)).toBe('control');
    expect(familyOf(states, ownFirst.toReversed()).armOf(asked)).toBe('control');
    expect(familyOf(states).armOf(asked)).toBeUndefined();
  });
});

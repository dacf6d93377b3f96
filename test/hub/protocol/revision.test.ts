import { describe, expect, it } from 'vitest';
import { MallError } from '../../../src/contract/errors.ts';
import {
  blocksRetirement,
  decidePublication,
  decideRevision,
  type KnownKind,
  type RevisionCommand,
  type Since,
  type Usage,
} from '../../../src/hub/protocol/revision.ts';
import { type RevisionState, revisionStates } from '../../../src/hub/protocol/revision-states.ts';

const nobody = { rejected: 0, onlyThis: 0, pinned: 0, waiting: 0 };
const idle: Usage = { ...nobody, connected: 3, applied: 3, builtIn: false, elsewhere: [] };
const commands = ['canary', 'activate', 'deprecate', 'drained', 'retire', 'rollback'] as const;
type Name = (typeof commands)[number];
const command = (type: Name): RevisionCommand => (type === 'canary' ? { type, percent: 10 } : { type });

/** Kind at version 7: revision 1 as `first`, revision 2 as `second`. */
const kindOf = (first: RevisionState, second: RevisionState): KnownKind => ({
  kind: 'shop',
  version: 7,
  revisions: [
    { digest: 'one', revision: 1, state: first },
    { digest: 'two', revision: 2, state: second },
  ],
});

function outcome(kind: KnownKind, type: Name, usage = idle, basedOn = 7): string {
  try {
    const { changes, rollout } = decideRevision(kind, { digest: 'two', basedOn }, command(type), usage);
    const moves = changes.map(({ digest, to }) => (digest === 'two' ? to : `${digest} ${to}`));
    return [...moves, ...(rollout ? [rollout] : [])].join(', ') || 'same';
  } catch (error) {
    expect(error).toBeInstanceOf(MallError);
    return (error as MallError).detail.reason;
  }
}

/** As the table of `decideRevision` says, beside an ACTIVE revision 1. */
const table: Readonly<Record<RevisionState, readonly string[]>> = {
  DRAFT: ['WRONG_STATE', 'WRONG_STATE', 'WRONG_STATE', 'same', 'RETIRED', 'WRONG_STATE'],
  CHECKED: ['CANARY, begin', 'ACTIVE', 'WRONG_STATE', 'same', 'RETIRED', 'WRONG_STATE'],
  CANARY: ['adjust', 'ACTIVE, promoted', 'WRONG_STATE', 'same', 'STILL_NEEDED', 'ROLLED_BACK, rolledBack'],
  ACTIVE: ['WRONG_STATE', 'same', 'DEPRECATED', 'same', 'STILL_NEEDED', 'ROLLED_BACK'],
  DEPRECATED: ['WRONG_STATE', 'ACTIVE', 'same', 'DRAINED', 'DRAINED, RETIRED', 'WRONG_STATE'],
  DRAINED: ['WRONG_STATE', 'ACTIVE', 'same', 'same', 'RETIRED', 'WRONG_STATE'],
  RETIRED: ['WRONG_STATE', 'WRONG_STATE', 'WRONG_STATE', 'same', 'same', 'WRONG_STATE'],
  ROLLED_BACK: ['WRONG_STATE', 'WRONG_STATE', 'WRONG_STATE', 'same', 'RETIRED', 'same'],
};

describe('the life of a revision', () => {
  it.each(revisionStates)('of one that is %s is that of the table', (state) => {
    const kind = kindOf('ACTIVE', state);
    expect(commands.map((type) => outcome(kind, type))).toEqual(table[state]);
  });

  it.each(revisionStates)('of one that is %s: a command that is based on an older version changes nothing', (state) => {
    for (const type of commands) {
      const stale = outcome(kindOf('ACTIVE', state), type, idle, 6);
      // What is so already is no conflict: the caller may have lost the answer.
      expect(['same', 'KIND_MOVED'], type).toContain(stale);
      if (stale === 'same') expect(outcome(kindOf('ACTIVE', state), type), type).toBe('same');
    }
  });

  it('names both versions and what has come since to whoever has seen an older one, the newest few of it', () => {
    const late = (since: Since) => () =>
      decideRevision(kindOf('ACTIVE', 'CANARY'), { digest: 'two', basedOn: 5, since }, { type: 'rollback' }, idle);
    const canary = { revision: 2, to: 'CANARY', by: 'ann' } as const;
    const since = [{ revision: 3, to: 'CHECKED', by: 'bob' } as const, canary];
    expect(late(since)).toThrow(
      'based_on is 5, and shop is at version 7, since revision 3 became CHECKED by "bob", revision 2 became CANARY by "ann"; look at it again and repeat what still makes sense',
    );
    const draft = { ...canary, to: 'DRAFT' } as const;
    expect(late([draft, canary])).toThrow('since revision 2 became CANARY by "ann"; ');
    const many = Array.from({ length: 7 }, (_, index) => ({ ...canary, revision: index + 1 }));
    expect(late(many)).toThrow(/since changes of 2 others(, revision [34567] became CANARY by "ann"){5}; /);
  });
});

describe('a publication', () => {
  const published = (state: RevisionState, isDraft = false) =>
    decidePublication(kindOf('ACTIVE', state), { digest: 'two', isDraft });

  it('has been checked, and says so of what was not', () => {
    for (const state of revisionStates.filter((each) => each !== 'RETIRED')) {
      const isChecked = state === 'DRAFT' || state === 'ROLLED_BACK';
      const changes = isChecked ? [{ digest: 'two', from: state, to: 'CHECKED' }] : [];
      expect(published(state), state).toEqual({ isNew: false, changes });
      expect(published(state, true), state).toEqual({ isNew: false, changes: [] });
    }
  });

  it('adds what is not known, which is a draft until it is checked', () => {
    const added = (isDraft: boolean) => decidePublication(kindOf('ACTIVE', 'ACTIVE'), { digest: 'three', isDraft });
    expect(added(true)).toEqual({ isNew: true, changes: [] });
    expect(added(false)).toEqual({ isNew: true, changes: [{ digest: 'three', from: 'DRAFT', to: 'CHECKED' }] });
  });

  it.each([true, false])('is refused for what is RETIRED (draft: %s)', (isDraft) => {
    expect(() => published('RETIRED', isDraft)).toThrow('revision 2 of shop, which is RETIRED; publish changed ones');
  });
});

describe('a canary', () => {
  it('is the only one of its kind', () => {
    expect(outcome(kindOf('CANARY', 'CHECKED'), 'canary')).toBe('CANARY_UNDER_WAY');
  });

  it.each([0, 101, 2.5, Number.NaN])('cannot have a share of %s percent', (percent) => {
    const kind = kindOf('ACTIVE', 'CHECKED');
    expect(() => decideRevision(kind, { digest: 'two', basedOn: 7 }, { type: 'canary', percent }, idle)).toThrow(
      'percent',
    );
  });
});

describe('activating', () => {
  it.each([
    ['CHECKED', { connected: 0 }, 'NOBODY_COULD_DO_IT'],
    ['CHECKED', { connected: 2, rejected: 2 }, 'NOBODY_COULD_DO_IT'],
    ['CHECKED', { connected: 2, applied: 0, rejected: 1 }, 'ACTIVE'],
    ['CANARY', { connected: 9, applied: 0 }, 'NOBODY_COULD_DO_IT'],
    ['DEPRECATED', { connected: 9, applied: 0 }, 'NOBODY_COULD_DO_IT'],
  ] as const)('a %s revision with bots %o', (state, bots, expected) => {
    expect(outcome(kindOf('ACTIVE', state), 'activate', { ...idle, ...bots })).toBe(expected);
  });

  it('says how many bots there are', () => {
    const usage = { ...idle, connected: 20, applied: 0, rejected: 20 };
    const activate = () =>
      decideRevision(kindOf('ACTIVE', 'CANARY'), { digest: 'two', basedOn: 7 }, { type: 'activate' }, usage);
    expect(activate).toThrow('20 connected bots serve the kind, 0 have applied the revision, 20 have rejected it');
  });
});

describe('there is always something to offer', () => {
  it('the last ACTIVE revision is not deprecated', () => {
    expect(outcome(kindOf('DEPRECATED', 'ACTIVE'), 'deprecate')).toBe('LAST_ACTIVE');
  });

  it.each([
    ['DEPRECATED', 'ROLLED_BACK, one ACTIVE'],
    ['DRAINED', 'ROLLED_BACK, one ACTIVE'],
    ['RETIRED', 'LAST_ACTIVE'],
  ] as const)('a rollback of the last ACTIVE one goes back to one that is %s', (first, expected) => {
    expect(outcome(kindOf(first, 'ACTIVE'), 'rollback')).toBe(expected);
  });
});

describe('retiring', () => {
  it.each([
    ['pinned', '2 tasks pinned to it'],
    ['onlyThis', '2 connected bots can speak no other revision of shop'],
    ['waiting', '2 waiting tasks written in it'],
  ] as const)('is refused by %s, and says so', (what, text) => {
    const usage = { ...idle, [what]: 2 };
    expect(outcome(kindOf('ACTIVE', 'DEPRECATED'), 'retire', usage)).toBe('STILL_NEEDED');
    expect(outcome(kindOf('ACTIVE', 'DEPRECATED'), 'drained', usage)).toBe('same');
    expect(blocksRetirement('shop', { state: 'DEPRECATED' }, usage).join()).toContain(text);
  });

  it('does not wait for tasks that the program itself goes on to write', () => {
    expect(outcome(kindOf('ACTIVE', 'DEPRECATED'), 'retire', { ...idle, waiting: 2, builtIn: true })).toBe(
      'DRAINED, RETIRED',
    );
  });
});

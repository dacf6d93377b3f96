import { describe, expect, test } from 'vitest';
import { checkProtocol, type ProtocolFacts } from '../../src/audit/protocol.ts';

const change = (digest: string, to: string, percent: number, by: string, atMs: number) => ({
  ...{ digest, to, percent, by, atMs },
});
const report = (messageId: string, digest: string, said: ProtocolFacts['reports'][number]['said'] = { note: 'n' }) => {
  const [taskId = '', fence] = messageId.split(':');
  return { messageId, taskId, fence: Number(fence), digest, said };
};

const kept: ProtocolFacts = {
  revisions: [
    { digest: 'one', kind: 'shop', revision: 1, state: 'RETIRED' },
    { digest: 'two', kind: 'shop', revision: 2, state: 'ACTIVE' },
  ],
  changes: [
    change('two', 'CANARY', 10, 'operator', 1_000),
    change('two', 'CANARY', 50, 'rollout', 2_000),
    change('two', 'ACTIVE', 0, 'rollout', 3_000),
    change('one', 'RETIRED', 0, 'operator', 4_000),
  ],
  pins: [
    { taskId: 'a', kind: 'shop', state: 'SUCCEEDED', fence: 1, digest: 'one' },
    { taskId: 'b', kind: 'shop', state: 'SUCCEEDED', fence: 3, digest: 'two' },
    { taskId: 'c', kind: 'shop', state: 'CANCELLED', fence: 1, digest: '' },
  ],
  reports: [
    report('a:1:2', 'one'),
    // The first attempt at it was lost.
    report('b:1:2', 'one'),
    report('b:3:2', 'two', { stopReached: { places: [{ x: 1 }], batteryPercent: 90 } }),
  ],
  words: [
    { botId: 'bot-1', digest: 'one', status: 'APPLIED' },
    { botId: 'bot-1', digest: 'two', status: 'APPLIED' },
    { botId: 'bot-2', digest: 'two', status: 'REJECTED' },
  ],
  offers: [
    { taskId: 'a', botId: 'bot-1', digest: 'one', atMs: 1_500 },
    { taskId: 'b', botId: 'bot-1', digest: 'two', atMs: 2_500 },
  ],
};
const broken = (facts: Partial<ProtocolFacts>) =>
  checkProtocol({ ...kept, ...facts }).map(({ rule, subject }) => `${rule}: ${subject}`);

describe('the audit of the protocol', () => {
  test('finds nothing in a mall that kept its promises', () => {
    expect(checkProtocol(kept)).toEqual([]);
  });

  test.each<[string, Partial<ProtocolFacts>, string]>([
    ['a report in another revision than that of its task', { reports: [report('b:3:2', 'one')] }, 'b:3:2'],
    ['an attempt that changes its language', { reports: [report('b:1:2', 'one'), report('b:1:3', 'two')] }, 'b:1:3'],
  ])('finds %s', (_, facts, subject) => {
    expect(broken(facts)).toEqual([`a task is reported in the revision that it is pinned to: ${subject}`]);
  });

  test.each<[string, Partial<ProtocolFacts>]>([
    ['that is no message of its revision', { reports: [report('b:3:2', 'two', null)] }],
    ['with a field that its revision has no name for', { reports: [report('b:3:2', 'two', { a: [{ '7': 'x' }] })] }],
    ['of a revision that nobody published', { reports: [report('b:1:2', 'three')] }],
  ])('finds a report %s', (_, facts) => {
    expect(broken(facts)).toEqual([expect.stringMatching(/^a report can be read in its revision: b:/)]);
  });

  test('finds an offer to a bot that has not applied the revision, or has rejected it', () => {
    const offers = [
      { taskId: 'b', botId: 'bot-2', digest: 'two', atMs: 2_500 },
      { taskId: 'd', botId: 'bot-3', digest: 'two', atMs: 2_500 },
    ];
    expect(broken({ offers })).toEqual(
      ['b', 'd'].map((task) => `no bot is offered a revision that it has not applied: ${task}`),
    );
  });

  test('finds a rollout that goes back a share, or takes one twice, by itself', () => {
    const again = [...kept.changes, change('two', 'CANARY', 50, 'rollout', 5_000)];
    expect(broken({ changes: again })).toEqual(['a rollout goes on at the share where it was: two']);
    const byHand = [...kept.changes, change('two', 'CANARY', 25, 'operator', 5_000)];
    expect(broken({ changes: byHand })).toEqual([]);
  });

  test('finds an offer in a revision that was retired long before', () => {
    const late = { taskId: 'a', botId: 'bot-1', digest: 'one', atMs: 20_000 };
    expect(broken({ offers: [late] })).toEqual(['nobody works in a revision that is retired: a']);
  });
});

import { describe, expect, it } from 'vitest';
import { type Candidate, nearestWilling } from '../../src/hub/assign.ts';
import { assignAcross, readBy } from '../../src/hub/assign-across.ts';
import { WillingBots } from '../../src/hub/willing.ts';

const shop = { kind: 'shop', revision: 1, digest: 'sha256:one' };
const next = { kind: 'shop.v2', revision: 1, digest: 'sha256:two' };
const task = (taskId: string) => ({ taskId, attempt: 1, schema: shop, position: { x: 0, y: 0 }, onlyBotId: '' });
const own = new Map([[shop.digest, shop]]);
const across = new Map([[shop.digest, next]]);
const bot = (botId: string, x: number, more: Partial<Candidate>): Candidate => ({
  ...{
    botId,
    position: { x, y: 0 },
    load: 0,
    spoken: new Map([['shop', shop]]),
    digests: own,
    own,
    tries: new Set<string>(),
    shunned: new Set<string>(),
  },
  free: new Map([
    ['shop', 1],
    ['shop.v2', 1],
  ]),
  ...more,
});
const spoken = new Map([['shop', next]]);
const speaksNext = (botId: string, x: number) => bot(botId, x, { spoken, digests: across, own: new Map() });
const speaksBoth = (botId: string, x: number) => bot(botId, x, { spoken, digests: across });
const willingOf = (bots: readonly Candidate[]) => {
  const willing = new WillingBots();
  for (const each of bots) willing.set(each);
  return willing;
};
const given = (ids: string[], candidates: Candidate[], barred: string[] = []) =>
  assignAcross(
    (tasks, willing) => nearestWilling(tasks, willing, () => undefined),
    ids.map(task),
    willingOf(candidates),
    { isBarred: ({ taskId }) => barred.includes(taskId) },
  ).map((pair) => `${pair.task.taskId}→${pair.botId}${pair.isOwn ? ' as it is' : ''}`);

describe('between majors', () => {
  it('a task goes to the nearest bot, whichever of them it speaks', () => {
    expect(given(['a', 'b'], [speaksNext('next', 1), bot('old', 5, {})])).toEqual(['a→next', 'b→old']);
  });

  it('a task that cannot be translated passes bots by that would do it in the other, and nobody else', () => {
    const bots = [speaksNext('next', 1), bot('old', 5, {})];
    expect(given(['a', 'b'], bots, ['a'])).toEqual(['a→old', 'b→next']);
    expect(given(['a'], [speaksNext('next', 1)], ['a'])).toEqual([]);
  });

  it('it is done as it is by who speaks its own as well', () => {
    expect(given(['a'], [speaksBoth('both', 1)], ['a'])).toEqual(['a→both as it is']);
    expect(given(['a'], [speaksBoth('both', 1)])).toEqual(['a→both']);
  });

  it('tasks are looked for as they are, and under the name of their translation', () => {
    const languages = {
      nameOf: (kind: string, into: { kind: string }) => `${kind}>${into.kind}`,
      kindOf: () => 'shop',
    };
    const attempted = [{ digest: shop.digest, attempted: 'shop>shop.v2' }];
    expect(readBy(willingOf([bot('old', 0, {})]).languages, languages)).toEqual({ digests: [shop.digest], across: [] });
    expect(readBy(willingOf([speaksNext('next', 0)]).languages, languages)).toEqual({ digests: [], across: attempted });
    expect(readBy(willingOf([speaksBoth('both', 0)]).languages, languages)).toEqual({
      digests: [shop.digest],
      across: attempted,
    });
  });
});

import { expect, it } from 'vitest';
import type { Candidate } from '../../src/hub/assign.ts';
import { LiveBot } from '../../src/hub/live-bot.ts';
import { ProtocolView } from '../../src/hub/protocol/view.ts';
import { Roster, type Seat } from '../../src/hub/roster.ts';

const schema = { kind: 'shop', revision: 1, digest: 'sha256:one' };
const messages = { taskMessage: '', progressMessage: '', resultMessage: '', fileDescriptorSet: Buffer.alloc(0) };
const view = new ProtocolView(
  new Map([['shop', 1]]),
  [{ schema, state: 'ACTIVE', offer: { schema, ...messages } }],
  [],
);

function fleetOf(count: number) {
  const roster = new Roster(count);
  const looked: string[] = [];
  const seats = Array.from({ length: count }, (_, n) => {
    const introduction = {
      botId: `bot${n}`,
      kinds: new Set(['shop']),
      anyKind: false,
      digests: [schema.digest],
      credits: [['shop', 1]],
    };
    const limits = { of: () => Number.POSITIVE_INFINITY };
    const bot = new LiveBot(introduction as never, { sessionId: 's', epoch: 1 }, view, limits, 0);
    const candidate = bot.candidate.bind(bot);
    bot.candidate = (nowMs): Candidate | undefined => {
      looked.push(bot.botId);
      return candidate(nowMs);
    };
    const seat = { bot, takesOffers: true, send: () => true, input: () => {} };
    roster.add(seat);
    return seat;
  });
  return { roster, seats, looked };
}
const ids = (roster: Roster<Seat>, nowMs = 0) => Array.from(roster.willing(nowMs), ({ botId }) => botId);

it('looks at those bots alone that have changed since it was asked last', () => {
  const { roster, seats, looked } = fleetOf(5_000);
  expect(roster.willing(0).size).toBe(5_000);
  looked.length = 0;
  expect(roster.willing(0).size).toBe(5_000);
  expect(looked).toEqual([]);
  seats[7]!.bot.reserve('a', schema);
  seats[8]!.bot.locate({ x: 1, y: 1 });
  // Where it was: nothing has changed.
  seats[8]!.bot.locate({ x: 1, y: 1 }, 0.5);
  expect(roster.willing(0).size).toBe(4_999);
  expect(looked).toEqual(['bot7', 'bot8']);
});

it('knows who is willing as they come, go, are full, have room again or do not read', () => {
  const { roster, seats } = fleetOf(3);
  const [first, second, third] = seats as unknown as [Seat, Seat, Seat];
  expect(ids(roster)).toEqual(['bot0', 'bot1', 'bot2']);
  first.bot.reserve('a', schema);
  roster.remove(second, true);
  expect(ids(roster)).toEqual(['bot2']);
  first.bot.release('a');
  roster.add(second);
  Object.assign(third, { takesOffers: false });
  expect(new Set(ids(roster))).toEqual(new Set(['bot0', 'bot1']));
});

it('forgets by time alone what a bot was not to be asked for', () => {
  const { roster, seats } = fleetOf(1);
  seats[0]!.bot.shun('a', 100);
  expect([...roster.willing(0).shunned]).toEqual(['a']);
  expect([...roster.willing(100).shunned]).toEqual([]);
  expect([...roster.willing(100)][0]?.shunned.size).toBe(0);
});

it('offers nothing in a revision once its bot has rejected it, or was told to forget it', () => {
  const { seats } = fleetOf(1);
  const { bot } = seats[0]!;
  const another = { ...schema, digest: 'sha256:two' };
  const views = (['ACTIVE', 'ROLLED_BACK'] as const).map(
    (state) => new ProtocolView(new Map(), [{ schema: another, state, offer: { schema: another, ...messages } }], []),
  );
  const isOffered = () => bot.candidate(0)?.digests.has(another.digest);
  bot.follow(views[0]!);
  expect(isOffered()).toBe(false);
  bot.answered(another, 'APPLIED');
  expect(isOffered()).toBe(true);
  bot.answered(another, 'REJECTED');
  expect(isOffered()).toBe(false);
  bot.answered(another, 'APPLIED');
  bot.follow(views[1]!);
  expect(bot.news()?.remove).toEqual([another.digest]);
  bot.follow(views[0]!);
  expect(isOffered()).toBe(false);
  expect(bot.news()?.add).toMatchObject([{ schema: another }]);
});

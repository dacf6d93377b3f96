import { describe, expect, it } from 'vitest';
import { fileStore } from '../../bots/sdk/index.ts';
import { NackReason, Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { edited, giftNotes } from '../support/revisions.ts';
import { gate, hubAndBot, nothingPicked, schema } from './robot.ts';
import { idle, newStore, offer, start, startHub, taskOf, teach, welcomed } from './teaching.ts';

/** As a hub offers it. */
const builtIn = edited('shop', schema.revision, () => {});

/** A bot that has a task in the revision that the hub has just taken back. */
async function takenBackFromTask() {
  const done = gate();
  const { hub, bot } = await hubAndBot(async () => {
    await done.promise;
    return nothingPicked;
  });
  const { session } = await welcomed(hub);
  const two = giftNotes();
  await teach(session, two);
  await session.assign(taskOf(two, 't', {}));
  offer(session, [], [two.schema!.digest]);
  return { done, bot, session, two };
}

describe('a revision that the hub takes back', () => {
  it('stays for the task that is pinned to it, and goes with that', async () => {
    const { done, bot, session, two } = await takenBackFromTask();
    done.resolve();
    const { body, seq } = await session.next('result');
    expect(body).toMatchObject({ outcome: Outcome.SUCCEEDED, schema: two.schema });
    session.ack(seq);
    session.offer(taskOf(two, 'late', {}));
    const { body: reply } = await session.next('offerReply');
    expect(reply).toMatchObject({ taskId: 'late', accepted: false, refusal: NackReason.UNKNOWN_SCHEMA });
    expect(bot.revisions).toEqual(new Map([['shop', [schema.digest]]]));
  });

  it('is the built-in one: the bot says so no more, stays, and is taught a newer one', async () => {
    const { hub, bot } = await hubAndBot(idle);
    const { session } = await welcomed(hub);
    const heard = Promise.withResolvers<string>();
    bot.on('retired', ({ kind, message }) => heard.resolve(`${kind}: ${message}`));
    const retired = [{ kind: 'shop', message: 'revision 2 is in use' }];
    session.send({ $case: 'protocolOffer', value: { add: [], remove: [schema.digest], retired } });
    expect(await heard.promise).toBe('shop: revision 2 is in use');
    expect(bot.revisions).toEqual(new Map([['shop', []]]));
    const two = giftNotes();
    await teach(session, two);
    expect(bot.revisions).toEqual(new Map([['shop', [two.schema!.digest]]]));
    await session.assign(taskOf(two, 't', {}));
    await session.next('result');
  });

  it('and offers again while a task is pinned to it stays when that is done', async () => {
    const { done, bot, session, two } = await takenBackFromTask();
    await teach(session, two);
    done.resolve();
    session.ack((await session.next('result')).seq);
    // Answered after the acknowledgement.
    session.offer(taskOf(two, 'late', {}));
    expect((await session.next('offerReply')).body).toMatchObject({ taskId: 'late', accepted: true });
    expect(bot.revisions).toEqual(new Map([['shop', [schema.digest, two.schema!.digest]]]));
  });

  it('and offers again is in the next hello, also when it is the built-in one', async () => {
    const { hub, bot } = await hubAndBot(idle);
    const { session } = await welcomed(hub);
    offer(session, [], [schema.digest]);
    await teach(session, builtIn);
    bot.cut();
    expect((await welcomed(hub)).hello.kinds).toMatchObject([{ kind: 'shop', digests: [schema.digest] }]);
  });

  it('is not in the hello of the next process either', async () => {
    const file = newStore();
    const hub = await startHub();
    const before = start(hub, { store: fileStore(file) });
    const { session } = await welcomed(hub);
    const two = giftNotes();
    await teach(session, two);
    offer(session, [], [two.schema!.digest]);
    session.offer(taskOf(two, 'late', {}));
    expect((await session.next('offerReply')).body.accepted).toBe(false);
    await before.kill();
    start(hub, { store: fileStore(file) });
    expect((await welcomed(hub)).hello.kinds).toMatchObject([{ kind: 'shop', digests: [schema.digest] }]);
  });
});

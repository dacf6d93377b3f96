import { describe, expect, it } from 'vitest';
import type { BotEvents, BotLogger } from '../../bots/sdk/index.ts';
import { Nack, NackReason, RevisionStatus } from '../../src/gen/fleet/v1/fleet.ts';
import { giftNotes } from '../support/revisions.ts';
import { hubAndBot, nothingPicked, patient } from './robot.ts';

const events: ReadonlyArray<keyof BotEvents> = ['state', 'nack', 'revision', 'retired'];
const unheard = () => {};
const itself = new Error('of the listener');
const throwing = {
  throws: () => {
    throw itself;
  },
  rejects: () => Promise.reject(itself),
};

describe.each(Object.entries(throwing))('a listener that %s', (_, listener) => {
  it.each(events)('is logged and changes nothing: %s', async (event) => {
    const warnings: object[] = [];
    const warn: BotLogger['warn'] = (fields) => void ('event' in fields && warnings.push(fields));
    const logger = { debug: unheard, info: unheard, warn, error: unheard };
    const { hub, bot } = await hubAndBot(async () => nothingPicked, { logger });
    const heard: unknown[] = [];
    bot.on(event, listener);
    bot.on(event, (value) => heard.push(value));
    const session = await hub.nextSession();
    await session.welcome({ maxUnacknowledged: 1_000 });
    const nack = Nack.fromPartial({ seq: 9, reason: NackReason.FIELD_INVALID });
    session.send({ $case: 'nack', value: nack });
    const two = giftNotes();
    const retired = [{ kind: 'inspect', message: 'nobody looks at shelves any more' }];
    session.send({ $case: 'protocolOffer', value: { add: [two], remove: [], retired } });
    const { body } = await session.next('protocolStatus');
    expect(body).toMatchObject({ schema: two.schema, status: RevisionStatus.APPLIED, reason: '' });
    expect(bot.revisions.get('shop')).toContain(two.schema!.digest);
    expect(bot.state.at).toBe('ready');
    expect(heard.length).toBeGreaterThan(0);
    await expect.poll(() => warnings.length, patient).toBe(heard.length);
    expect(warnings[0]).toEqual({ 'mallbots.bot_id': 'bot-1', event, err: itself });
  });
});

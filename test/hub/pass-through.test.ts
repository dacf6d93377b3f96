import { expect, it } from 'vitest';
import { payloadReader } from '../../src/contract/describe-payload.ts';
import { decodeBody, encodeBody } from '../../src/contract/events.ts';
import type { Received } from '../../src/contract/message.ts';
import { Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { giftNotes, written } from '../support/revisions.ts';
import { startFleet } from './fleet.ts';
import { shopSchema } from './raw-bot.ts';

// As somebody writes them whose schema is newer than this program: with fields that it has no name for, at several depths.
const two = giftNotes();
const item = { lineId: 'l', productId: 'p', name: 'Tea', quantity: 2, giftNote: 'for Ada' };
const task = written(two, 'taskMessage', { orderId: 'o', stops: [{ storeId: 's', items: [item] }], giftNote: 'all' });
const step = written(two, 'progressMessage', {
  itemPicked: { lineId: 'l', productId: 'p', storeId: 's', quantity: 2, giftNote: 'for Ada' },
});
const outcome = written(two, 'resultMessage', { lines: [{ lineId: 'l', picked: 2 }], walkedMetres: 3, notesRead: 1 });

it('payloads go through the hub byte by byte, from Depot to the bot and from the bot to the event', async () => {
  await using fleet = await startFleet();
  const bot = fleet.bot();
  await bot.welcomed();
  const { orderId } = await fleet.request({ payload: task });
  const { value: offer } = await bot.next('offer');
  expect(offer.payload.equals(task)).toBe(true);
  bot.reply(offer, true);
  await bot.next('lease');

  const { taskId, fence } = offer;
  const about = { taskId, fence, schema: shopSchema, occurredAt: new Date() };
  bot.send({ $case: 'progress', value: { ...about, payload: step, started: false } });
  bot.result({ taskId, fence }, { outcome: Outcome.SUCCEEDED, payload: outcome });
  await fleet.until(orderId, (said) => said.find(({ name }) => name === 'bots.task_succeeded'));

  const said = fleet.said(orderId).filter(({ name }) => name !== 'bots.task_started');
  expect(said.map(({ name }) => name)).toEqual(['bots.item_picked', 'bots.task_succeeded']);
  const originals = said.map((event) => passedOn(event).original!);
  expect(originals.map(({ payload }) => payload.toString('hex'))).toEqual(
    [step, outcome].map((it) => it.toString('hex')),
  );
  expect(originals.map(({ schema }) => schema)).toMatchObject([shopSchema, shopSchema]);
  // Whoever has the newer revision sees what this program had no name for.
  const named = payloadReader(two.fileDescriptorSet);
  expect(named.read(two.progressMessage, originals[0]!.payload)).toMatchObject({ itemPicked: { giftNote: 'for Ada' } });
  expect(named.read(two.resultMessage, originals[1]!.payload)).toMatchObject({ notesRead: 1 });
});

/** The event as a consumer has it that was deployed before the field existed, and passes it on. */
function passedOn(event: Received): { original?: { schema?: object | undefined; payload: Buffer } | undefined } {
  const again = decodeBody(event.name, encodeBody(event.name, event.body as never));
  return again as { original?: { schema?: object; payload: Buffer } };
}

import { describe, expect, it } from 'vitest';
import { ShopProgress, ShopResult } from '../../src/gen/kinds/shop/v1/shop.ts';
import { translatorOf } from '../../src/hub/kinds/kind.ts';
import { passOn } from '../../src/hub/kinds/pass-on.ts';
import { bringBack } from '../../src/hub/kinds/return.ts';
import { shop } from '../../src/hub/kinds/shop.ts';
import { picked, reached, short } from './raw-bot.ts';

const encoded = (step: ShopProgress['step']) => ShopProgress.encode({ step }).finish();
const original = { schema: { kind: 'shop', revision: 1, digest: 'd' }, payload: Buffer.from('as sent') };
const task = { taskId: 't', orderId: 'o', kind: 'shop', attempt: 1, fence: 3, botId: 'b', occurredAt: new Date(0) };
const reported = { task, original, correlationId: 'c' };
const about = { key: 'o', correlationId: 'c', startsTrace: '', task: { id: 't', fence: 3 } };

describe('what a shopping bot says becomes', () => {
  it.each([
    ['bots.stop_reached', reached(2), { storeId: 'store-1', stopIndex: 2 }],
    ['bots.item_picked', picked(4), { lineId: 'line-1', productId: 'product-1', storeId: 'store-1', quantity: 4 }],
    ['bots.item_short', short(1), { lineId: 'line-1', productId: 'product-1', storeId: 'store-1', quantity: 1 }],
  ])('%s, with the original beside it', (name, step, body) => {
    expect(shop.progress(encoded(step), reported)).toEqual({ name, ...about, body: { task, original, ...body } });
  });

  it('bots.task_succeeded, with the outcome of each line', () => {
    const lines = [{ lineId: 'l', picked: 2, short: 1 }];
    const draft = shop.result(ShopResult.encode({ lines, walkedMetres: 12 }).finish())(reported);
    expect(draft).toEqual({ name: 'bots.task_succeeded', ...about, body: { task, original, lines } });
  });
});

describe('what no shopping bot can mean is refused by name:', () => {
  const item = { lineId: 'l', productId: 'p', storeId: 's', quantity: 1 };
  it.each<[string, ShopProgress['step']]>([
    ['stop_reached.store_id', { $case: 'stopReached', value: { storeId: '', stopIndex: 0 } }],
    ['item_picked.line_id', { $case: 'itemPicked', value: { ...item, lineId: '' } }],
    ['item_picked.product_id', { $case: 'itemPicked', value: { ...item, productId: 'x'.repeat(65) } }],
    ['item_short.store_id', { $case: 'itemShort', value: { ...item, storeId: '' } }],
    ['item_short.quantity', { $case: 'itemShort', value: { ...item, quantity: 0 } }],
    ['item_picked.quantity', { $case: 'itemPicked', value: { ...item, quantity: 4_000_000_000 } }],
  ])('%s', (field, step) => {
    expect(() => shop.progress(encoded(step), reported)).toThrow(
      expect.objectContaining({ detail: expect.objectContaining({ field }) }),
    );
  });

  it('a step that is unset', () => {
    expect(() => shop.progress(new Uint8Array(), reported)).toThrow('step of kinds.shop.v1.ShopProgress is unset');
  });

  it.each([
    ['lines[0].line_id', { lines: [{ lineId: '', picked: 1, short: 0 }], walkedMetres: 0 }],
    ['walked_metres', { lines: [], walkedMetres: Number.NaN }],
    ['lines', { lines: Array.from({ length: 1_001 }, () => ({ lineId: 'l', picked: 0, short: 0 })), walkedMetres: 0 }],
  ])('%s of a result', (field, result) => {
    const payload = ShopResult.encode(result).finish();
    expect(() => shop.result(payload)).toThrow(expect.objectContaining({ detail: expect.objectContaining({ field }) }));
  });
});

it('a translator serves every revision of its kind', () => {
  expect(translatorOf('shop')).toBe(shop);
  expect(translatorOf('return')).toBe(bringBack);
  expect(translatorOf('toString')).toBe(passOn);
});

it('what the mall has no words for goes on as it came', () => {
  const payload = Buffer.from([0xff, 0xff]);
  expect(passOn.progress(payload, reported)).toEqual({
    name: 'bots.task_progressed',
    ...about,
    body: { task, original },
  });
  expect(passOn.result(payload)(reported)).toEqual({
    name: 'bots.task_succeeded',
    ...about,
    body: { task, original, lines: [] },
  });
});

import { describe, expect, it } from 'vitest';
import { ReturnProgress, ReturnResult } from '../../src/gen/kinds/return/v1/return.ts';
import { bringBack } from '../../src/hub/kinds/return.ts';

const encoded = (step: ReturnProgress['step']) => ReturnProgress.encode({ step }).finish();
const original = { schema: { kind: 'return', revision: 1, digest: 'd' }, payload: Buffer.from('as sent') };
const task = { taskId: 't', orderId: 'o', kind: 'return', attempt: 1, fence: 3, botId: 'b', occurredAt: new Date(0) };
const reported = { task, original, correlationId: 'c' };
const about = { key: 'o', correlationId: 'c', startsTrace: '', task: { id: 't', fence: 3 } };
const item = { lineId: 'l', productId: 'p', storeId: 's', quantity: 4 };

describe('what a bot that brings goods back says becomes', () => {
  it.each<[string, ReturnProgress['step'], object]>([
    [
      'bots.stop_reached',
      { $case: 'stopReached', value: { storeId: 's', stopIndex: 2 } },
      { storeId: 's', stopIndex: 2 },
    ],
    ['bots.item_returned', { $case: 'itemReturned', value: item }, item],
  ])('%s, with the original beside it', (name, step, body) => {
    expect(bringBack.progress(encoded(step), reported)).toEqual({ name, ...about, body: { task, original, ...body } });
  });

  it('bots.task_succeeded, in which no line is picked', () => {
    const draft = bringBack.result(ReturnResult.encode({ walkedMetres: 12 }).finish())(reported);
    expect(draft).toEqual({ name: 'bots.task_succeeded', ...about, body: { task, original, lines: [] } });
  });
});

describe('what it cannot mean is refused by name:', () => {
  it.each<[string, ReturnProgress['step']]>([
    ['stop_reached.store_id', { $case: 'stopReached', value: { storeId: '', stopIndex: 0 } }],
    ['item_returned.line_id', { $case: 'itemReturned', value: { ...item, lineId: 'x'.repeat(65) } }],
    ['item_returned.quantity', { $case: 'itemReturned', value: { ...item, quantity: 0 } }],
  ])('%s', (field, step) => {
    expect(() => bringBack.progress(encoded(step), reported)).toThrow(
      expect.objectContaining({ detail: expect.objectContaining({ field }) }),
    );
  });

  it('a step that is unset', () => {
    expect(() => bringBack.progress(new Uint8Array(), reported)).toThrow('ReturnProgress is unset');
  });

  it('a walk of less than nothing', () => {
    const payload = ReturnResult.encode({ walkedMetres: -1 }).finish();
    expect(() => bringBack.result(payload)).toThrow(
      expect.objectContaining({ detail: expect.objectContaining({ field: 'walked_metres' }) }),
    );
  });
});

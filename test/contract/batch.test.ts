import { describe, expect, test } from 'vitest';
import { decodeBatch, encodeBatch } from '../../src/contract/batch.ts';
import { fromHeaders } from '../../src/contract/message.ts';
import { Batch } from '../../src/gen/broker/v1/batch.ts';
import { message } from '../broker/messages.ts';

describe('batch', () => {
  test('gives every message back with its own headers and body, in order', () => {
    const sent = [
      message('plain'),
      message('all', { key: 'ключ', task: { id: 'task', fence: 7 }, traceparent: '00-1-2-01' }),
      message('of a task', { task: { id: 'task', fence: 8 }, body: new Uint8Array() }),
      message('plain again'),
    ];
    const got = decodeBatch(encodeBatch(sent)).map(({ headers, body }) => fromHeaders(headers, new Uint8Array(body)));
    expect(got).toEqual(sent);
  });

  test('is refused when it cannot be decoded or holds nothing', () => {
    const refusal = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      detail: expect.objectContaining({ field: 'body' }),
    });
    expect(() => decodeBatch(Uint8Array.of(0x12, 0x7f))).toThrow(refusal);
    expect(() => decodeBatch(new Uint8Array())).toThrow(refusal);
  });

  test('leaves an entry without the headers that it does not have', () => {
    const bytes = Batch.encode({
      headerNames: ['cloudEvents_id', 'fence'],
      entries: [
        { headerValues: ['short'], body: Buffer.of(1) },
        { headerValues: ['', '3', 'of no name'], body: Buffer.of(2) },
      ],
    }).finish();
    expect(decodeBatch(bytes)).toEqual([
      { headers: { cloudEvents_id: 'short' }, body: Buffer.of(1) },
      { headers: { fence: '3' }, body: Buffer.of(2) },
    ]);
  });
});

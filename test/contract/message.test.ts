import { describe, expect, test } from 'vitest';
import { fromHeaders, toHeaders } from '../../src/contract/message.ts';
import { message } from '../broker/messages.ts';

describe('message headers', () => {
  const sent = message('m1', { task: { id: 'task', fence: 7 }, traceparent: '00-1-2-01' });

  test('carry everything but the body', () => {
    expect(fromHeaders(toHeaders(sent), sent.body)).toEqual(sent);
    const plain = message('m2');
    expect(fromHeaders(toHeaders(plain), plain.body)).toEqual(plain);
  });

  test.each(['cloudEvents_type', 'cloudEvents_id', 'cloudEvents_partitionkey', 'correlation-id', 'fence'])(
    'name %s when it is missing',
    (header) => {
      const headers = { ...toHeaders(sent), [header]: undefined };
      expect(() => fromHeaders(headers, sent.body)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', detail: expect.objectContaining({ field: header }) }),
      );
    },
  );

  test.each([
    ['cloudEvents_time', 'yesterday'],
    ['fence', 'seven'],
  ])('name %s when it cannot be read', (header, value) => {
    expect(() => fromHeaders({ ...toHeaders(sent), [header]: value }, sent.body)).toThrow(
      expect.objectContaining({
        detail: expect.objectContaining({ field: header, reason: 'HEADER_MALFORMED' }),
      }),
    );
  });

  test('refuse a type that nobody knows', () => {
    expect(() => fromHeaders({ ...toHeaders(sent), cloudEvents_type: 'orders.eaten' }, sent.body)).toThrow(
      'unknown type "orders.eaten"',
    );
  });
});

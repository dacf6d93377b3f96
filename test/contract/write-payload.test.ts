import { createFileRegistry, fromBinary, toJson } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { payloadOf } from '../../src/contract/write-payload.ts';
import { kinds } from '../../src/gen/kinds.ts';

const set = fromBinary(FileDescriptorSetSchema, Buffer.from(kinds.shop.fileDescriptorSet, 'base64'));
const registry = createFileRegistry(set);
const task = registry.getMessage(kinds.shop.taskMessage)!;
const progress = registry.getMessage(kinds.shop.progressMessage)!;
const item = (fields: object) => JSON.stringify({ stops: [{}, { items: [fields] }] });

describe('a payload that somebody writes by hand', () => {
  it('has its fields by the names of the .proto file, or of JSON', () => {
    const text = '{"order_id": "o", "stops": [{"storeId": "s", "items": [{"quantity": 3}]}], "depot": null}';
    expect(toJson(task, fromBinary(task, payloadOf(task, text)))).toEqual({
      orderId: 'o',
      stops: [{ storeId: 's', items: [{ quantity: 3 }] }],
    });
    expect(payloadOf(task, '{}')).toHaveLength(0);
  });

  it.each([
    ['{"orderId": "o"', 'payload is "{"orderId": "o""; give JSON: '],
    ['[]', 'payload is "[]"; give an object with fields of kinds.shop.v1.ShopTask: orderId, stops, depot'],
    ['{"depott": {}}', 'payload.depott is "{}"; kinds.shop.v1.ShopTask has orderId, stops, depot'],
    [
      item({ price: 3 }),
      'payload.stops[1].items[0].price is "3"; kinds.shop.v1.Item has lineId, productId, sku, name, ',
    ],
    [item({ quantity: 'many' }), 'payload.stops[1].items[0].quantity is "many"; expected number (uint32), got "many"'],
    [item({ quantity: -1 }), 'payload.stops[1].items[0].quantity is "-1"; expected number (uint32): -1 out of range'],
    ['{"stops": {}}', 'payload.stops is "{}"; expected Array, got object'],
    ['{"depot": 7}', 'payload.depot is "7"; give an object with fields of kinds.shop.v1.Place: x, y'],
  ])('is refused with the place of what is wrong: %s', (text, message) => {
    expect(() => payloadOf(task, text)).toThrow(message);
  });

  it('is refused where it says two things of which there can be one', () => {
    expect(() => payloadOf(progress, '{"stopReached": {}, "itemShort": {}}')).toThrow('oneof');
  });

  it('is refused, and not followed down for ever', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    expect(() => payloadOf(task, `{"stops": ${deep}}`)).toThrow('nest at most 100');
  });
});

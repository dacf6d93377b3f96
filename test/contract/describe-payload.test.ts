import { create } from '@bufbuild/protobuf';
import { FieldDescriptorProto_Label, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { originalPart, payloadReader } from '../../src/contract/describe-payload.ts';
import { messageNames } from '../../src/contract/events.ts';
import { kinds } from '../../src/gen/kinds.ts';
import { edited, field, fields, giftNotes, revisionOf, written } from '../support/revisions.ts';

const one = payloadReader(Buffer.from(kinds.shop.fileDescriptorSet, 'base64'));

describe('a payload', () => {
  it('is read by the names of the revision that it was written in', () => {
    const two = giftNotes();
    const payload = written(two, 'progressMessage', { itemPicked: { lineId: 'l', quantity: 2, giftNote: 'for Ada' } });
    expect(payloadReader(two.fileDescriptorSet).read(two.progressMessage, payload)).toEqual({
      itemPicked: { lineId: 'l', productId: '', storeId: '', quantity: 2, giftNote: 'for Ada' },
    });
  });

  it('shows by number, where it stands, what the revision has no name for', () => {
    const more = edited('shop', 3, (message) => {
      message('Place').field.push(...fields(field('floor', 8, 'SINT32'), field('lift', 9, 'FIXED64')));
      message('Item').field.push(
        ...fields(
          field('note', 6, 'STRING'),
          field('picture', 7, 'BYTES'),
          field('shelves', 10, 'STRING', { label: FieldDescriptorProto_Label.REPEATED }),
          field('grams', 11, 'FIXED32'),
        ),
      );
    });
    const payload = written(more, 'taskMessage', {
      orderId: 'o',
      depot: { x: 1, floor: -1, lift: '7' },
      stops: [
        { items: [{ note: 'für Ada', picture: 'AAH/', shelves: ['A', 'B'], grams: 5 }] },
        { items: [{}, { note: '' }, { note: 'last' }] },
      ],
    });
    const item = { lineId: '', productId: '', sku: '', name: '', quantity: 0 };
    const stop = { storeId: '', storeName: '' };
    expect(one.read(kinds.shop.taskMessage, payload)).toEqual({
      orderId: 'o',
      depot: { x: 1, y: 0, 8: '1', 9: '7' },
      stops: [
        { ...stop, items: [{ ...item, 6: 'für Ada', 7: '0x0001ff', 10: ['A', 'B'], 11: '5' }] },
        { ...stop, items: [item, item, { ...item, 6: 'last' }] },
      ],
    });
  });

  it('shows them in maps too', () => {
    const of = (...floorFields: Parameters<typeof fields>) => {
      const set = create(FileDescriptorSetSchema, {
        file: [
          {
            name: 'map.proto',
            package: 'm',
            syntax: 'proto3',
            messageType: [
              {
                name: 'Mall',
                field: [
                  field('floors', 1, 'MESSAGE', {
                    typeName: '.m.Mall.FloorsEntry',
                    label: FieldDescriptorProto_Label.REPEATED,
                  }),
                ],
                nestedType: [
                  {
                    name: 'FloorsEntry',
                    field: [field('key', 1, 'INT32'), field('value', 2, 'MESSAGE', { typeName: '.m.Floor' })],
                    options: { mapEntry: true },
                  },
                ],
              },
              { name: 'Floor', field: [field('name', 1, 'STRING'), ...floorFields] },
            ],
          },
        ],
      });
      return revisionOf('mall', 1, set, { taskMessage: 'm.Mall', progressMessage: 'm.Mall', resultMessage: 'm.Mall' });
    };
    const newer = of(field('exits', 2, 'UINT64'));
    const payload = written(newer, 'taskMessage', {
      floors: { '-1': { name: 'cellar', exits: '18446744073709551615' } },
    });
    expect(payloadReader(of().fileDescriptorSet).read('m.Mall', payload)).toEqual({
      floors: { '-1': { name: 'cellar', 2: '18446744073709551615' } },
    });
  });
});

describe('what cannot be read is refused with the reason:', () => {
  it.each<[string, () => unknown, string]>([
    ['no descriptor set', () => payloadReader(Buffer.from([0xff])), 'file_descriptor_set is "1 bytes (premature EOF)"'],
    [
      'no message of that name',
      () => one.read('kinds.shop.v1.Nope', new Uint8Array()),
      'message is "kinds.shop.v1.Nope"',
    ],
    ['no such message', () => one.read(kinds.shop.taskMessage, Buffer.from([0x0a, 9])), 'payload is "2 bytes'],
  ])('%s', (_, work, reason) => {
    expect(work).toThrow(reason);
    expect(work).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

it('the original of an event is a progress, or the result of the task', () => {
  const parts = Map.groupBy(messageNames, originalPart);
  expect(parts.get('result')).toEqual(['bots.task_succeeded']);
  expect(parts.get('progress')!.toSorted()).toEqual([
    'bots.item_picked',
    'bots.item_returned',
    'bots.item_short',
    'bots.stop_reached',
    'bots.task_progressed',
  ]);
});

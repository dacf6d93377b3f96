import { describe, expect, test } from 'vitest';
import { orderIdOf, shortId } from '../../src/cli/staff-order-id.ts';
import { anOrder } from '../gateways/doubles.ts';

// Two ids with the same last 6 characters, and one without.
const adas = '0199c1f0-7c1e-7d0a-8a52-0d6f11c2b1aa';
const bobs = '0199c1f0-7c1e-7d0a-8a52-0d6f22c2b1aa';
const cyds = '0199c1f0-7c1e-7d0a-8a52-0d6f33333333';
/** Not in a bay. */
const dans = '0199c1f0-7c1e-7d0a-8a52-0d6f44444444';
const desk = {
  listPickups: async () => ({
    pickups: [adas, bobs, cyds].map((orderId) => ({
      bay: 'B1',
      waitingSince: new Date(),
      order: anOrder({ orderId }),
      invoice: undefined,
    })),
    nextPageToken: '',
  }),
  listOrders: async () => ({ orders: [anOrder({ orderId: adas }), anOrder({ orderId: dans })] }),
};
const unasked = async () => {
  throw new Error('nobody was to be asked');
};
const nobody = { listPickups: unasked, listOrders: unasked };

describe('the order that an argument stands for', () => {
  test('is the one with that id, without asking', async () => {
    expect(await orderIdOf(adas.toUpperCase(), nobody)).toBe(adas);
  });

  test.each([
    ['what the table shows', shortId(cyds), cyds],
    ['six characters', '333333', cyds],
    ['that of an order without a bay', '444444', dans],
    ['enough to tell two apart', '22c2b1aa', bobs],
    ['capitals', '22C2B1AA', bobs],
  ])('is the one order whose id ends with %s', async (_, given, orderId) => {
    expect(await orderIdOf(given, desk)).toBe(orderId);
  });

  test.each([
    ['fewer than six characters', '33333'],
    ['what is no part of an id', 'Bob-Miller'],
    ['nothing', ''],
  ])('is not to be found from %s, and nobody is asked', async (_, given) => {
    await expect(orderIdOf(given, nobody)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: { reason: 'MALFORMED_ID', field: 'order', value: given },
    });
  });

  test('is not chosen among several, which are named', async () => {
    await expect(orderIdOf('c2b1aa', desk)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(`${adas}, ${bobs}`),
      detail: { reason: 'AMBIGUOUS_ID' },
    });
  });

  test('is not found when no order ends so', async () => {
    await expect(orderIdOf('999999', desk)).rejects.toMatchObject({ code: 'NOT_FOUND', detail: { field: 'order' } });
  });
});

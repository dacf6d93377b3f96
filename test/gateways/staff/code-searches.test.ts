import { describe, expect, test } from 'vitest';
import { notFound, refused, unavailable } from '../../../src/contract/errors.ts';
import { CodeSearches, codesOfNoOrder, staffInstruments } from '../../../src/gateways/staff/code-searches.ts';
import { recordingTelemetry } from '../../support/telemetry.ts';

const [desk, otherDesk] = ['192.0.2.1:4711', '192.0.2.2:4711'];
const ofNoOrder = async () => {
  throw notFound('order', 'pickup_code', 'K7P4-***');
};
const wrong = async () => {
  throw refused('pickup_code', 'K7P4-***', 'PICKUP_CODE_WRONG', 'not the one');
};
const right = async () => 'the order';
const exhausted = { code: 'RESOURCE_EXHAUSTED', detail: { reason: 'TOO_MANY_CODES' } };
const outcomes = (attempts: ReadonlyArray<Promise<unknown>>) =>
  Promise.all(attempts.map((attempt) => attempt.catch(({ detail }) => detail.reason)));

function start() {
  let nowMs = 0;
  const telemetry = recordingTelemetry('staff', 'warn');
  const codes = new CodeSearches(telemetry, () => nowMs);
  const refusals = (reason: string) =>
    telemetry.figure(staffInstruments.codesRefused.name, { 'mallbots.reason': reason });
  return { codes, telemetry, refusals, pass: (ms: number) => (nowMs += ms) };
}
const times = <T>(count: number, work: () => T): T[] => Array.from({ length: count }, work);

describe('codes that are of no order', () => {
  test('are tried no more by a desk that has tried many, until a while has passed; other desks go on', async () => {
    const { codes, telemetry, refusals, pass } = start();
    // At once: none gets through because the others have no answer yet.
    const answers = await outcomes(times(codesOfNoOrder + 5, () => codes.search(desk, ofNoOrder)));
    expect(answers.filter((reason) => reason === 'ORDER_NOT_FOUND')).toHaveLength(codesOfNoOrder);
    expect(answers.filter((reason) => reason === 'TOO_MANY_CODES')).toHaveLength(5);
    // From another port, which is the next command.
    await expect(codes.search('192.0.2.1:4712', right)).rejects.toMatchObject(exhausted);
    expect(await codes.search(otherDesk, right)).toBe('the order');
    expect(await codes.count(right)).toBe('the order');
    expect([await refusals('ORDER_NOT_FOUND'), await refusals('TOO_MANY_CODES')]).toEqual([codesOfNoOrder, 6]);
    expect(telemetry.logs()).toContainEqual(expect.objectContaining({ desk: '192.0.2.1' }));

    pass(60_000 / codesOfNoOrder);
    expect(await codes.search(desk, right)).toBe('the order');
    await expect(codes.search(desk, ofNoOrder)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(codes.search(desk, right)).rejects.toMatchObject(exhausted);
  });

  test('are not those that find one, right or wrong, nor those that nobody could look for', async () => {
    const { codes, refusals } = start();
    const away = async () => {
      throw unavailable('Orders cannot be reached', 'ORDERS_UNAVAILABLE');
    };
    for (const answer of times(codesOfNoOrder, () => [right, wrong, away]).flat())
      await outcomes([codes.search(desk, answer)]);
    expect(await codes.search(desk, right)).toBe('the order');
    expect(await refusals('PICKUP_CODE_WRONG')).toBe(codesOfNoOrder);
    expect(await refusals('ORDERS_UNAVAILABLE')).toBe(0);
  });
});

import { describe, expect, test } from 'vitest';
import { maxBatchBytes, maxBatchMessages, PublishTurn } from '../../src/broker/publish-turn.ts';
import { ids, message, numbered } from './messages.ts';

const a = { exchange: 'orders.events', routingKey: 'a' };
const b = { exchange: 'orders.events', routingKey: 'b' };

describe('publishing turn', () => {
  const recording = () => {
    const sent: string[] = [];
    const turn = new PublishTurn(async (to, messages) => {
      sent.push(`${to.routingKey}: ${ids(messages).join(' ')}`);
    });
    return { sent, turn };
  };

  test('sends what came for each address as one', async () => {
    const { sent, turn } = recording();
    await Promise.all([
      turn.add(a, message('a1', { key: '1' })),
      turn.add(b, message('b2', { key: '2' })),
      turn.add(a, message('a3', { key: '3' })),
      turn.add(b, message('b4', { key: '4' })),
    ]);
    expect(sent).toEqual(['a: a1 a3', 'b: b2 b4']);
    await turn.add(a, message('a5'));
    expect(sent).toEqual(['a: a1 a3', 'b: b2 b4', 'a: a5']);
  });

  test('lets no message pass an earlier one of its key', async () => {
    const { sent, turn } = recording();
    await Promise.all([
      turn.add(a, message('a1', { key: '1' })),
      turn.add(b, message('b1', { key: '1' })),
      turn.add(a, message('a2', { key: '2' })),
      turn.add(a, message('a1 again', { key: '1' })),
      turn.add(b, message('b1 again', { key: '1' })),
      turn.add(a, message('a2 again', { key: '2' })),
    ]);
    expect(sent).toEqual(['a: a1 a2', 'b: b1', 'a: a1 again a2 again', 'b: b1 again']);
  });

  test('bounds a batch in messages and in bytes', async () => {
    const { sent, turn } = recording();
    await Promise.all(numbered(maxBatchMessages + 1).map((each) => turn.add(a, each)));
    expect(sent.map((each) => each.split(' ').length - 1)).toEqual([maxBatchMessages, 1]);
    sent.length = 0;
    const half = new Uint8Array(maxBatchBytes / 2);
    const over = new Uint8Array(maxBatchBytes + 1);
    const bodies = [half, half, Uint8Array.of(1), over, Uint8Array.of(1)];
    await Promise.all(bodies.map((body, i) => turn.add(a, message(`m${i}`, { body }))));
    expect(sent).toEqual(['a: m0 m1', 'a: m2', 'a: m3', 'a: m4']);
  });

  test('fails all of a batch as its sending fails, and the other batches not', async () => {
    const failure = new Error('refused');
    const turn = new PublishTurn(async (to) => {
      if (to === a) throw failure;
    });
    const settled = await Promise.allSettled([
      turn.add(a, message('1')),
      turn.add(a, message('2')),
      turn.add(b, message('3')),
    ]);
    expect(settled).toEqual([
      { status: 'rejected', reason: failure },
      { status: 'rejected', reason: failure },
      { status: 'fulfilled', value: undefined },
    ]);
  });
});

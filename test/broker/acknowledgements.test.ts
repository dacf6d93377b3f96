import fc from 'fast-check';
import type { Channel } from 'rabbitmq-client';
import { describe, expect, test } from 'vitest';
import { Acknowledgements } from '../../src/broker/acknowledgements.ts';

/** What a broker makes of the frames of a channel. */
class Wire {
  readonly frames: string[] = [];
  readonly out = new Set<number>();
  readonly acked = new Set<number>();
  readonly returned = new Set<number>();
  active = true;

  basicAck({ deliveryTag, multiple = false }: { deliveryTag: number; multiple?: boolean }): void {
    this.frames.push(`ack ${multiple ? 'to ' : ''}${deliveryTag}`);
    // To a tag that is not out, RabbitMQ closes the channel.
    expect(this.out).toContain(deliveryTag);
    for (const tag of multiple ? [...this.out].filter((each) => each <= deliveryTag) : [deliveryTag]) {
      this.out.delete(tag);
      this.acked.add(tag);
    }
  }

  basicNack({ deliveryTag }: { deliveryTag: number }): void {
    this.frames.push(`nack ${deliveryTag}`);
    expect(this.out).toContain(deliveryTag);
    this.out.delete(deliveryTag);
    this.returned.add(deliveryTag);
  }
}

const open = (deliveries: number) => {
  const wire = new Wire();
  const acknowledgements = new Acknowledgements(wire as unknown as Channel);
  for (let tag = 1; tag <= deliveries; tag += 1) {
    wire.out.add(tag);
    acknowledgements.delivered(tag);
  }
  return { wire, acknowledgements };
};

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('acknowledgements of one channel', () => {
  test('share a frame when they come in one turn and nothing before them is out', async () => {
    const { wire, acknowledgements } = open(5);
    for (const tag of [2, 1, 3]) acknowledgements.ack(tag);
    expect(wire.frames).toEqual([]);
    await turn();
    expect(wire.frames).toEqual(['ack to 3']);
  });

  test('behind a message that is still out have a frame each, and never take that along', async () => {
    const { wire, acknowledgements } = open(5);
    for (const tag of [1, 3, 4]) acknowledgements.ack(tag);
    await turn();
    expect(wire.frames).toEqual(['ack to 1', 'ack 3', 'ack 4']);
    acknowledgements.ack(5);
    acknowledgements.ack(2);
    await turn();
    expect(wire.frames.slice(3)).toEqual(['ack to 5']);
  });

  test('say nothing on a channel that is gone', async () => {
    const { wire, acknowledgements } = open(2);
    acknowledgements.ack(1);
    wire.active = false;
    acknowledgements.requeue(2);
    await turn();
    expect(wire.frames).toEqual([]);
  });

  test('settle each message as it was asked for, whatever the order and the turns', async () => {
    const step = fc.record({ pick: fc.nat(), how: fc.constantFrom('ack', 'ack', 'ack', 'requeue', 'turn', 'deliver') });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { wire, acknowledgements } = open(8);
        const out = [...wire.out];
        const asked = { acked: new Set<number>(), returned: new Set<number>() };
        let next = 9;
        for (const { pick, how } of steps) {
          if (how === 'turn') await turn();
          else if (how === 'deliver') {
            wire.out.add(next);
            acknowledgements.delivered(next);
            out.push(next++);
          } else {
            const [tag] = out.splice(pick % Math.max(1, out.length), 1);
            if (tag === undefined) continue;
            if (how === 'ack') acknowledgements.ack(tag);
            else acknowledgements.requeue(tag);
            asked[how === 'ack' ? 'acked' : 'returned'].add(tag);
          }
        }
        await turn();
        expect([wire.acked, wire.returned, wire.out]).toEqual([asked.acked, asked.returned, new Set(out)]);
      }),
    );
  });
});

import { Connection } from 'rabbitmq-client';
import { closedLoop, type Lane, type Pace } from './closed-loop.ts';
import { serve } from './worker.ts';

interface Publishing {
  readonly amqpUrl: string;
  readonly exchange: string;
  readonly bytes: number;
  /** Confirms waited for at once. */
  readonly inFlight: number;
  readonly ms: number;
}

/** What the broker and its driver alone confirm. */
const commands = {
  async publish({ amqpUrl, exchange, bytes, inFlight, ms }: Publishing): Promise<Pace> {
    const connection = new Connection({ url: amqpUrl, noDelay: true });
    connection.on('error', () => undefined);
    const channel = await connection.acquire();
    await channel.confirmSelect();
    const body = Buffer.alloc(bytes, 1);
    const envelope = { exchange, routingKey: '', durable: true, contentType: 'application/octet-stream' };
    const lane: Lane = { request: (onAnswer) => void channel.basicPublish(envelope, body).then(onAnswer) };
    const pace = await closedLoop(
      Array.from({ length: inFlight }, () => lane),
      ms,
    );
    await channel.close();
    await connection.close();
    return pace;
  },
};

export type PublisherCommands = typeof commands;

serve(commands);

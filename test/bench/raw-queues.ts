import { Connection } from 'rabbitmq-client';

/** Of a bench that was killed; longer than any bench runs. */
const expiryMs = 3_600_000;

/** Quorum queues behind a fanout exchange, declared by the driver alone. */
export interface RawQueues extends AsyncDisposable {
  readonly exchange: string;
  readonly queues: readonly string[];
}

export async function rawQueues(amqpUrl: string, exchange: string, count: number): Promise<RawQueues> {
  const connection = new Connection(amqpUrl);
  // Without a listener a lost connection would end the process.
  connection.on('error', () => undefined);
  const queues = Array.from({ length: count }, (_, index) => `${exchange}.${index + 1}`);
  await connection.exchangeDeclare({ exchange, type: 'fanout', durable: true, autoDelete: true });
  for (const queue of queues) {
    await connection.queueDeclare({
      queue,
      durable: true,
      arguments: { 'x-queue-type': 'quorum', 'x-expires': expiryMs },
    });
    await connection.queueBind({ exchange, queue });
  }
  return {
    exchange,
    queues,
    async [Symbol.asyncDispose]() {
      for (const queue of queues) await connection.queueDelete({ queue });
      await connection.close();
    },
  };
}

import { Connection } from 'rabbitmq-client';
import { connectRabbitMq } from '../../src/broker/rabbitmq.ts';
import { inboxOf, mallTopology } from '../../src/contract/topology.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { serve } from './worker.ts';

/** As the services have it. */
const prefetch = 256;

/** What the kiosk has heard, by message id. */
const heard = new Map<string, { readonly name: string; readonly taskId: string }>();

/** Stands in for the services: takes and acknowledges, so that the figures are of the hub and not of their tables. */
const commands = {
  async attach({ amqpUrl, queues }: { amqpUrl: string; queues: readonly string[] }): Promise<void> {
    const connection = new Connection({ url: amqpUrl, noDelay: true });
    connection.on('error', () => undefined);
    for (const queue of queues) {
      const channel = await connection.acquire();
      await channel.basicQos({ prefetchCount: prefetch });
      await channel.basicConsume({ queue }, ({ deliveryTag }) => channel.basicAck({ deliveryTag }));
    }
  },

  /** Remembers all that the kiosk is told. */
  async record({ amqpUrl, namespace }: { amqpUrl: string; namespace: string }): Promise<void> {
    const broker = await connectRabbitMq({ url: amqpUrl, namespace, logger: createLogger('bench', 'error') });
    await broker.declare(mallTopology);
    await broker.consume(inboxOf('kiosk'), prefetch, ({ message, ack }) => {
      heard.set(message.id, { name: message.name, taskId: message.task?.id ?? '' });
      ack();
    });
  },

  async recorded(_: undefined): Promise<Array<{ id: string; name: string; taskId: string }>> {
    return [...heard].map(([id, what]) => ({ id, ...what }));
  },
};

export type ConsumerCommands = typeof commands;

serve(commands);

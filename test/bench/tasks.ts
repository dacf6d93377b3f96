import { Connection } from 'rabbitmq-client';
import { connectRabbitMq } from '../../src/broker/rabbitmq.ts';
import { newId } from '../../src/contract/ids.ts';
import { draft, type Message, seal, toHeaders } from '../../src/contract/message.ts';
import { addressOf, mallTopology } from '../../src/contract/topology.ts';
import { TaskRequested } from '../../src/gen/events/depot/v1/events.ts';
import { ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { shopSchema, traceparent } from './frames.ts';

/** A shopping tour through two stores, as Depot asks for it. */
export function drawTask(): { readonly taskId: string; readonly message: Message } {
  const taskId = newId();
  const orderId = newId();
  const stop = (metres: number) => ({
    storeId: newId(),
    storeName: 'A store with a name',
    place: { x: metres, y: metres },
    items: [{ lineId: newId(), productId: newId(), sku: 'SKU-0001', name: 'A thing with a name', quantity: 1 }],
  });
  const tour = ShopTask.fromPartial({ orderId, stops: [stop(10), stop(20)], depot: { x: 0, y: 0 } });
  const body = TaskRequested.fromPartial({
    taskId,
    orderId,
    schema: shopSchema,
    payload: Buffer.from(ShopTask.encode(tour).finish()),
    maxAttempts: 3,
    position: { x: 10, y: 10 },
  });
  const asked = draft('depot.task_requested', orderId, body);
  const parent = traceparent(true);
  return {
    taskId,
    message: seal(asked, {
      id: newId(),
      source: '/depot',
      time: new Date(),
      causationId: 'bench',
      traceparent: parent,
    }),
  };
}

/** Where tasks are asked for: resolves when the broker has confirmed. */
export type RequestTask = (task: { readonly taskId: string; readonly message: Message }) => Promise<void>;

/** At the hubs of a mall, as Depot does it. */
export async function mallTasks(amqpUrl: string, namespace: string): Promise<RequestTask> {
  const broker = await connectRabbitMq({ url: amqpUrl, namespace, logger: createLogger('bench', 'error') });
  await broker.declare(mallTopology);
  return ({ message }) => broker.publish(addressOf('depot.task_requested'), message);
}

/** At the raw server: the same bytes, by the driver alone. */
export async function rawTasks(amqpUrl: string, exchange: string): Promise<RequestTask> {
  const connection = new Connection({ url: amqpUrl, noDelay: true });
  connection.on('error', () => undefined);
  const channel = await connection.acquire();
  await channel.confirmSelect();
  return ({ taskId, message }) =>
    channel.basicPublish(
      {
        exchange,
        routingKey: '',
        durable: true,
        messageId: taskId,
        contentType: 'application/protobuf',
        headers: toHeaders(message),
      },
      Buffer.from(message.body),
    );
}

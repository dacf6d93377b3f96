import type { Broker } from '../../src/broker/port.ts';
import { connectRabbitMq, deleteTopology, type RabbitMqOptions } from '../../src/broker/rabbitmq.ts';
import { newId } from '../../src/contract/ids.ts';
import { amqpUrl } from '../support/services.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import type { BrokerHarness } from './contract.ts';
import { testTopology } from './messages.ts';

/** A scratch mall on the real broker; each of its clients has a wire of its own that can be cut. */
export class RabbitMqMall implements BrokerHarness {
  readonly namespace = `test-${newId()}`;
  readonly #wires = new Map<Broker, TcpProxy>();

  async connect(options: Partial<RabbitMqOptions> & { heartbeatS?: number } = {}): Promise<Broker> {
    const wire = await TcpProxy.toServer(amqpUrl);
    const url = new URL(wire.through(amqpUrl));
    if (options.heartbeatS) url.searchParams.set('heartbeat', String(options.heartbeatS));
    const broker = await connectRabbitMq({
      url: url.href,
      namespace: this.namespace,
      logger: silentLogger,
      ...options,
    });
    this.#wires.set(broker, wire);
    await broker.declare(testTopology);
    return broker;
  }

  wire(broker: Broker): TcpProxy {
    return this.#wires.get(broker)!;
  }

  async crash(client: Broker): Promise<void> {
    await this.wire(client).refuse();
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#wires.keys(), (broker) => broker.close()));
    await Promise.all(Array.from(this.#wires.values(), (wire) => wire.close()));
    await deleteTopology(amqpUrl, this.namespace, testTopology);
  }
}

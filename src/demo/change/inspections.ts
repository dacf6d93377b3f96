import { createFileRegistry, fromBinary, fromJson, type JsonObject, type Registry, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { SpanKind } from '@opentelemetry/api';
import type { Broker } from '../../broker/port.ts';
import { payloadReader } from '../../contract/describe-payload.ts';
import { newId } from '../../contract/ids.ts';
import { draft, open, seal } from '../../contract/message.ts';
import { addressOf, journal, mallTopology } from '../../contract/topology.ts';
import type { SchemaRef } from '../../gen/fleet/v1/fleet.ts';
import { formatTraceparent } from '../../telemetry/propagation.ts';
import type { Telemetry } from '../../telemetry/setup.ts';
import type { MallStore } from '../mall.ts';
import type { CompiledSource } from './sources.ts';

const messages = { task: 'kinds.inspect.v1.InspectTask', result: 'kinds.inspect.v1.InspectResult' };

export interface Inspection {
  readonly botId: string;
  /** By the names of a revision that no bot was built with. */
  readonly result: JsonObject;
}

/** Whoever has use for the new kind: asks for inspections as Depot asks for tours, by a command to the hubs, and reads the results in the journal. */
export class Facility {
  readonly #broker: Broker;
  readonly #telemetry: Telemetry;
  readonly #schema: SchemaRef;
  readonly #source: CompiledSource;
  readonly #registry: Registry;

  constructor(broker: Broker, telemetry: Telemetry, schema: SchemaRef, source: CompiledSource) {
    this.#broker = broker;
    this.#telemetry = telemetry;
    this.#schema = schema;
    this.#source = source;
    this.#registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, source.fileDescriptorSet));
  }

  /** Of a broker that was given nothing yet by this process. */
  connect(): Promise<void> {
    return this.#broker.declare(mallTopology);
  }

  /** Resolves with the id of the task when the broker has it. */
  async ask({ name, position }: MallStore): Promise<string> {
    const message = this.#registry.getMessage(messages.task)!;
    const payload = Buffer.from(toBinary(message, fromJson(message, { storeName: name, place: { ...position } })));
    // An inspection is about no order: it has an id of its own to be found by.
    const [taskId, orderId] = [newId(), newId()];
    const span = this.#telemetry.tracer.startSpan('ask for an inspection', { root: true, kind: SpanKind.PRODUCER });
    const body = {
      ...{ taskId, orderId, schema: this.#schema, payload, position },
      ...{ priority: 0, maxAttempts: 0, deadline: undefined, onlyBotId: '' },
    };
    const id = newId();
    const stamp = { id, causationId: id, source: '/facility', time: new Date() };
    try {
      const command = seal(draft('depot.task_requested', orderId, body), {
        ...stamp,
        traceparent: formatTraceparent(span.spanContext()),
      });
      await this.#broker.publish(addressOf(command.name), command);
    } finally {
      span.end();
    }
    return taskId;
  }

  /** The results of these tasks, as the journal brings them; ends with the last, or when `signal` aborts. */
  async *results(taskIds: readonly string[], signal: AbortSignal): AsyncGenerator<Inspection> {
    const reader = payloadReader(this.#source.fileDescriptorSet);
    const missing = new Set(taskIds);
    const enough = new AbortController();
    const reading = { follow: true, signal: AbortSignal.any([signal, enough.signal]) };
    for await (const entries of this.#broker.read(journal, reading)) {
      for (const { message } of entries) {
        const { name } = message;
        if (name !== 'bots.task_succeeded' || !missing.delete(message.task?.id ?? '')) continue;
        const { task, original } = open({ ...message, name }).body;
        yield { botId: task!.botId, result: reader.read(messages.result, original!.payload) };
      }
      if (missing.size === 0) enough.abort();
    }
  }
}

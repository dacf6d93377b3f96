import { type Code, MallError } from '../../contract/errors.ts';
import type { SchemaRef } from '../../gen/fleet/v1/fleet.ts';
import { type Kind, type PublishResponse, type Ramp, RegistryService } from '../../gen/protocol/v1/protocol.ts';
import { type BackoffPolicy, backoffMs, pause } from '../../kit/backoff.ts';
import type { Api } from '../../rpc/api.ts';
import { connectClient, type RpcClient } from '../../rpc/client.ts';
import type { Telemetry } from '../../telemetry/setup.ts';
import type { CompiledSource } from './sources.ts';

const { watchStatus: _stream, ...unary } = RegistryService;
type Unary = typeof unary;
type Registry = Api<Unary>;

/** A hub that went away is back, or another one answers, within a second or two. */
const backoff: BackoffPolicy = { firstMs: 100, maxMs: 1_000, factor: 2 };
/** A check takes seconds on a busy machine. */
const deadlineMs = 60_000;
/** What asking again, or another hub, cures. A kind that has moved on is looked at again. */
const passing: ReadonlySet<Code> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'ABORTED']);

/** Who leads the demo's changes, in the history. */
const by = 'operator';

/**
 * The registry as an operator uses it who does not mind that hubs come and go: asks the next one while one does not answer. What was done already is
 * done again without effect.
 */
export class Operator {
  readonly #hubs: ReadonlyArray<RpcClient<Unary>>;
  readonly #signal: AbortSignal;

  constructor(hubs: readonly string[], telemetry: Pick<Telemetry, 'tracer'>, signal: AbortSignal) {
    this.#hubs = hubs.map((address) => connectClient(unary, address, telemetry));
    this.#signal = signal;
  }

  close(): void {
    for (const { close } of this.#hubs) close();
  }

  publish({ kind, path, text, reason, fileDescriptorSet }: CompiledSource): Promise<PublishResponse> {
    const request = { kind, fileDescriptorSet, sources: [{ path, text }], by, reason, draft: false };
    return this.#ask((registry) => registry.publish(request, { deadlineMs }));
  }

  canary(schema: SchemaRef, percent: number, ramp: Ramp, reason: string): Promise<Kind> {
    return this.#change(schema, reason, (registry, request) =>
      registry.canary({ ...request, percent, hold: false, ramp }),
    );
  }

  change(verb: 'activate' | 'deprecate' | 'retire', schema: SchemaRef, reason: string): Promise<Kind> {
    return this.#change(schema, reason, (registry, request) => registry[verb](request));
  }

  kind(kind: string): Promise<Kind> {
    return this.#ask(async (registry) => (await registry.list({ kind })).kinds[0]!);
  }

  #change(
    { kind, digest }: SchemaRef,
    reason: string,
    act: (
      registry: Registry,
      request: { digest: string; basedOn: number; by: string; reason: string },
    ) => Promise<Kind>,
  ): Promise<Kind> {
    return this.#ask(async (registry) => {
      const [known] = (await registry.list({ kind })).kinds;
      return act(registry, { digest, basedOn: known!.version, by, reason });
    });
  }

  async #ask<T>(work: (registry: Registry) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      this.#signal.throwIfAborted();
      try {
        return await work(this.#hubs[tries % this.#hubs.length]!.api);
      } catch (error) {
        if (!(error instanceof MallError && passing.has(error.code))) throw error;
        await pause(backoffMs(backoff, tries + 1, Math.random()), this.#signal);
      }
    }
  }
}

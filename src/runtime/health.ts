import { Client, credentials } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { type Endpoint, type ListeningRole, roleAt } from '../config.ts';
import { MallError } from '../contract/errors.ts';
import { pause } from '../kit/backoff.ts';
import { rootMessage } from '../kit/root-message.ts';
import { transportReason } from '../rpc/errors.ts';

/** Longest wait for an answer, ms: shorter than the probe interval of docker-compose.yml, so that probes never overlap. */
const healthTimeoutMs = 3_000;

/** Where the kiosk says that it is well to who speaks HTTP. */
const httpHealthPath = '/health';

const check = healthService.Check!;

/**
 * Resolves when a role serves at `address` (`host:port`): grpc.health.v1.Health, or GET /health where the kiosk speaks HTTP.
 * @throws MallError UNAVAILABLE with what it answered instead, or that it did not
 */
export async function checkHealth(endpoint: Endpoint, address: string): Promise<void> {
  const role = roleAt(endpoint);
  try {
    const status = endpoint === 'kiosk' ? await httpStatus(address) : await grpcStatus(address);
    if (status !== 'SERVING') throw new Error(`it answers ${status}`);
  } catch (cause) {
    throw new MallError(
      'UNAVAILABLE',
      `${role} does not serve at ${address}: ${rootMessage(cause)}`,
      { reason: 'NOT_SERVING', field: 'role', value: role, remedy: `start it with "mallbots ${role}"` },
      { cause },
    );
  }
}

async function httpStatus(address: string): Promise<string> {
  const response = await fetch(`http://${address}${httpHealthPath}`, { signal: AbortSignal.timeout(healthTimeoutMs) });
  await response.body?.cancel();
  return response.ok ? 'SERVING' : `HTTP ${response.status}`;
}

async function grpcStatus(address: string): Promise<string> {
  const client = new Client(address, credentials.createInsecure());
  try {
    return await new Promise<string>((resolve, reject) => {
      client.makeUnaryRequest(
        check.path,
        check.requestSerialize,
        check.responseDeserialize,
        { service: '' },
        { deadline: Date.now() + healthTimeoutMs },
        (error, response) =>
          error ? reject(new Error(transportReason(error))) : resolve((response as { status: string }).status),
      );
    });
  } finally {
    client.close();
  }
}

/**
 * A process has to load its program, migrate its schema and reach its back ends before it serves: some 2 s of a processor, which a machine that has
 * much else to do may need half a minute for. Those that start at the same moment share the processors: each gets so much more for each of them.
 */
const startPatienceMs = 60_000;
const patienceBesideMs = 15_000;
const askEveryMs = 100;

export interface Start {
  /** Other processes that start at the same moment. */
  readonly beside?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Resolves when `role` serves.
 * @throws MallError UNAVAILABLE when it does not in time, or what `signal` says
 */
export async function awaitHealth(
  role: ListeningRole,
  address: string,
  { beside = 0, signal }: Start = {},
): Promise<void> {
  const giveUpAt = Date.now() + startPatienceMs + beside * patienceBesideMs;
  for (;;) {
    try {
      return await checkHealth(role, address);
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
      await pause(askEveryMs, signal);
      signal?.throwIfAborted();
    }
  }
}

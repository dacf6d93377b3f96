import { MallError } from '../contract/errors.ts';
import type { Api, CallOptions, UnaryDefinition } from '../rpc/api.ts';
import { connectClient, type RpcClient } from '../rpc/client.ts';
import { isFromTransport } from '../rpc/errors.ts';
import type { Telemetry } from '../telemetry/setup.ts';

/**
 * A service that a gateway asks, called `name` in messages. Where it cannot be reached or does not answer in time, the error says
 * which service that was; what the service itself refuses passes through.
 */
export function connectUpstream<D extends UnaryDefinition>(
  name: string,
  definition: D,
  address: string,
  telemetry: Pick<Telemetry, 'tracer'>,
): RpcClient<D> {
  const client = connectClient(definition, address, telemetry);
  const api = Object.fromEntries(
    Object.entries(client.api).map(([method, call]) => [
      method,
      (request: unknown, options?: CallOptions) =>
        (call as (request: unknown, options?: CallOptions) => Promise<unknown>)(request, options).catch((thrown) => {
          throw named(name, MallError.from(thrown));
        }),
    ]),
  );
  return { api: api as Api<D>, close: () => client.close() };
}

function named(service: string, error: MallError): MallError {
  if (!isFromTransport(error)) return error;
  const remedy = 'try again; a repeated request with the same idempotency key does nothing twice';
  const detail = { reason: `${service.toUpperCase()}_UNAVAILABLE`, remedy };
  if (error.code === 'UNAVAILABLE') {
    return new MallError('UNAVAILABLE', `${service} cannot be reached; ${remedy}`, detail, { cause: error });
  }
  if (error.code === 'DEADLINE_EXCEEDED') {
    return new MallError('DEADLINE_EXCEEDED', `${service} did not answer in time; ${remedy}`, detail, { cause: error });
  }
  return error;
}

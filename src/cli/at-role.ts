import { trace } from '@opentelemetry/api';
import { type ListeningRole, readConfig } from '../config.ts';
import type { Api, Definition } from '../rpc/api.ts';
import { connectClient } from '../rpc/client.ts';
import { unreachable } from './unreachable.ts';

/**
 * Runs `work` with a connection to `role` at `given`, the value of the option that has its name, else at its address in the configuration. What
 * the role refuses passes through; that it is not there is said with what to do.
 */
export async function atRole<D extends Definition, T>(
  definition: D,
  role: ListeningRole,
  given: string | undefined,
  work: (api: Api<D>) => Promise<T>,
): Promise<T> {
  const address = given ?? readConfig().address[role];
  // Without a provider this tracer makes no spans: the role's are the first of the trace.
  const client = connectClient(definition, address, { tracer: trace.getTracer('mallbots') });
  try {
    return await work(client.api);
  } catch (error) {
    throw unreachable(error, role, address, `give --${role} host:port`) ?? error;
  } finally {
    client.close();
  }
}

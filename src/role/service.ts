import type { ListeningRole } from '../config.ts';
import type { Subscriber } from '../contract/topology.ts';
import type { PlumbingTables } from '../database/tables.ts';
import { ParkedService } from '../gen/parked/v1/parked.ts';
import type { Api, UnaryDefinition } from '../rpc/api.ts';
import { implement, startServer } from '../rpc/server.ts';
import { type Handlers, type Messaging, startMessaging } from './messaging.ts';
import { parkedApi } from './parked-api.ts';
import type { Role, RoleContext } from './role.ts';

export interface Service<S extends Subscriber & ListeningRole, D extends UnaryDefinition> {
  /** Of the role, its schema and its queue. */
  readonly name: S;
  readonly tables: PlumbingTables;
  readonly handlers: Handlers<S>;
  readonly definition: D;
  /** The gRPC API. Calls are taken when it resolves, events already before. */
  readonly api: (messaging: Messaging) => Api<D> | Promise<Api<D>>;
  /** What the service does without being told, as long as it runs. */
  readonly background?: (messaging: Messaging) => { stop(): Promise<void> };
}

/** What every service is: a schema, events in through its inbox and out through its outbox, and a gRPC API. */
export async function startService<S extends Subscriber & ListeningRole, D extends UnaryDefinition>(
  context: RoleContext,
  service: Service<S, D>,
): Promise<Role> {
  const { config, telemetry } = context;
  const { name, definition, api } = service;
  const messaging = await startMessaging(context, service);
  try {
    const implementation = implement(definition, await api(messaging), telemetry);
    const parked = implement(ParkedService, parkedApi(messaging.parked), telemetry);
    const server = await startServer(config.listen[name], [
      { definition, implementation },
      { definition: ParkedService, implementation: parked },
    ]);
    const background = service.background?.(messaging);
    return {
      address: server.address,
      async drain() {
        await server.drain();
        await background?.stop();
        await messaging.drain();
      },
    };
  } catch (error) {
    await messaging.drain();
    throw error;
  }
}

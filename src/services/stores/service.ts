import { join } from 'node:path';
import { StoresService } from '../../gen/stores/v1/stores.ts';
import { startMessaging } from '../../role/messaging.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { implement, startServer } from '../../rpc/server.ts';
import { storesApi } from './api.ts';
import { storesHandlers } from './handlers.ts';
import { fences, inbox, outbox, parked } from './store.ts';

/** The stores, their products and their books. */
export async function startStores(context: RoleContext): Promise<Role> {
  const { config, database, telemetry } = context;
  const messaging = await startMessaging(context, {
    name: 'stores',
    migrations: join(import.meta.dirname, 'migrations'),
    tables: { outbox, inbox, fences, parked },
    handlers: storesHandlers,
  });
  try {
    const api = storesApi(database, messaging);
    const server = await startServer(config.listen.stores, [
      { definition: StoresService, implementation: implement(StoresService, api, telemetry) },
    ]);
    return {
      address: server.address,
      async drain() {
        await server.drain();
        await messaging.drain();
      },
    };
  } catch (error) {
    await messaging.drain();
    throw error;
  }
}

import { join } from 'node:path';
import { newId } from '../../contract/ids.ts';
import { DepotService } from '../../gen/depot/v1/depot.ts';
import { startMessaging } from '../../role/messaging.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { implement, startServer } from '../../rpc/server.ts';
import { depotApi } from './api.ts';
import { depotHandlers, giveOutBays } from './handlers.ts';
import { buildBays, fences, inbox, lockBays, outbox, parked } from './store.ts';

/** Bays of the depot: what a wall of shelves of 20 by 10 has. More orders than that wait with their bots' goods until one is handed over. */
const defaultBayCount = 200;

/** The plans for bots, and the bays where goods wait for their shoppers. */
export async function startDepot(context: RoleContext, { bayCount = defaultBayCount } = {}): Promise<Role> {
  const { config, database, telemetry } = context;
  const messaging = await startMessaging(context, {
    name: 'depot',
    migrations: join(import.meta.dirname, 'migrations'),
    tables: { outbox, inbox, fences, parked },
    handlers: depotHandlers,
  });
  try {
    // Whoever waits gets one of the new bays now: nothing else may come to free one.
    await messaging.commit(newId(), async ({ orm }) => {
      await lockBays(orm);
      await buildBays(orm, bayCount);
      return { result: undefined, events: await giveOutBays(orm, new Date()) };
    });
    const server = await startServer(config.listen.depot, [
      { definition: DepotService, implementation: implement(DepotService, depotApi(database), telemetry) },
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

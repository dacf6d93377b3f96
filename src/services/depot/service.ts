import { newId } from '../../contract/ids.ts';
import { DepotService } from '../../gen/depot/v1/depot.ts';
import type { Messaging } from '../../role/messaging.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { startService } from '../../role/service.ts';
import { depotApi } from './api.ts';
import { buildBays, lockBays } from './bay-store.ts';
import { giveOutBays } from './bays.ts';
import { depotHandlers } from './handlers.ts';
import { fences, inbox, outbox, parked } from './store.ts';

/** Bays of the depot: what a wall of shelves of 20 by 10 has. More orders than that wait with their bots' goods until one is handed over. */
const defaultBayCount = 200;

/** The plans for bots, and the bays where goods wait for their shoppers. */
export const startDepot = (context: RoleContext, { bayCount = defaultBayCount } = {}): Promise<Role> =>
  startService(context, {
    name: 'depot',
    tables: { outbox, inbox, fences, parked },
    handlers: depotHandlers,
    definition: DepotService,
    async api(messaging) {
      await openBays(messaging, bayCount);
      return depotApi(context.database);
    },
  });

/** Whoever waits gets one of the new bays now: nothing else may come to free one. */
const openBays = (messaging: Messaging, count: number): Promise<void> =>
  messaging.commit(newId(), async ({ orm }) => {
    await lockBays(orm);
    await buildBays(orm, count);
    return { result: undefined, events: await giveOutBays(orm, new Date()) };
  });

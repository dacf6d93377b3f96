import { StoresService } from '../../gen/stores/v1/stores.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { startService } from '../../role/service.ts';
import { storesApi } from './api.ts';
import { storesHandlers } from './handlers.ts';
import { fences, inbox, outbox, parked } from './store.ts';

/** The stores, their products and their books. */
export const startStores = (context: RoleContext): Promise<Role> =>
  startService(context, {
    name: 'stores',
    tables: { outbox, inbox, fences, parked },
    handlers: storesHandlers,
    definition: StoresService,
    api: (messaging) => storesApi(context.database, messaging),
  });

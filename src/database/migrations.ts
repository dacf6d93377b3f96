import { join } from 'node:path';

/** Every schema and the folder of the role that owns it; the journal's is the embedded broker's. A role reads no schema but its own. */
const owners = {
  orders: 'services/orders',
  stores: 'services/stores',
  payments: 'services/payments',
  depot: 'services/depot',
  hub: 'hub',
  kiosk: 'gateways/kiosk',
  journal: 'database/journal',
  analytics: 'services/analytics',
} as const;
export type SchemaName = keyof typeof owners;

/** Where the migrations of `schema` are; its tables are in `store.ts` beside that folder. */
export const migrationsOf = (schema: SchemaName): string =>
  join(import.meta.dirname, '..', owners[schema], 'migrations');

export const migrations = (Object.keys(owners) as SchemaName[]).map((schema) => ({
  schema,
  folder: migrationsOf(schema),
}));

/** Those with an outbox and an inbox. */
export const messagingSchemas = (Object.keys(owners) as SchemaName[]).filter(
  (schema) => schema !== 'journal' && schema !== 'analytics',
);

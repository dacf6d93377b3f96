import { fileURLToPath } from 'node:url';

const folder = (path: string): string => fileURLToPath(new URL(`../${path}/migrations`, import.meta.url));

/** Every schema and where its migrations are. Each role owns one and reads no other. */
export const migrations = [
  { schema: 'orders', folder: folder('services/orders') },
  { schema: 'stores', folder: folder('services/stores') },
  { schema: 'payments', folder: folder('services/payments') },
  { schema: 'depot', folder: folder('services/depot') },
  { schema: 'hub', folder: folder('hub') },
  { schema: 'kiosk', folder: folder('gateways/kiosk') },
] as const;

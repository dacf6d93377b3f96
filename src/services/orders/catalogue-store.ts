import { and, eq, lt } from 'drizzle-orm';
import type { Orm } from '../../database/port.ts';
import { products, stores } from './store.ts';

// The copy of the catalogue. What is older than what the copy has changes nothing.

export async function saveStore(orm: Orm, store: typeof stores.$inferInsert): Promise<void> {
  const { id: _, ...set } = store;
  await orm
    .insert(stores)
    .values(store)
    .onConflictDoUpdate({ target: stores.id, set, setWhere: lt(stores.version, store.version) });
}

export async function saveProduct(orm: Orm, product: typeof products.$inferInsert): Promise<void> {
  const { id: _, ...set } = product;
  await orm
    .insert(products)
    .values(product)
    .onConflictDoUpdate({ target: products.id, set, setWhere: lt(products.version, product.version) });
}

/** A product that was never added cannot be ordered, so news of it may go: its later addition says everything. */
export async function updateProduct(
  orm: Orm,
  productId: string,
  version: number,
  set: Partial<Pick<typeof products.$inferInsert, 'priceMinor' | 'currency' | 'stock' | 'removed'>>,
): Promise<void> {
  await orm
    .update(products)
    .set({ ...set, version })
    .where(and(eq(products.id, productId), lt(products.version, version)));
}

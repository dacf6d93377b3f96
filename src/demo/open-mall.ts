import { trace } from '@opentelemetry/api';
import { StoresService } from '../gen/stores/v1/stores.ts';
import { connectClient } from '../rpc/client.ts';
import type { Mall } from './mall.ts';

/** Longer than usual: right after the start every role warms up at once. */
const deadlineMs = 20_000;

/**
 * Opens the stores of `mall` through the Stores API, where no store is open yet.
 * @returns whether it did, and the products of this mall that are not on their shelves
 */
export async function openMall(
  mall: Mall,
  storesAddress: string,
): Promise<{ opened: boolean; misplacedSkus: string[] }> {
  const { api, close } = connectClient(StoresService, storesAddress, { tracer: trace.getTracer('mallbots') });
  try {
    const { stores } = await api.listStores({}, { deadlineMs });
    const opened = stores.length === 0;
    if (opened) {
      for (const { storeId, name, position, products } of mall.stores) {
        await api.openStore({ storeId, name, position }, { deadlineMs });
        await Promise.all(
          products.map(({ productId, sku, name, priceMinor, stock }) => {
            const price = { minor: priceMinor, currency: mall.currency };
            return api.addProduct({ productId, storeId, sku, name, price, stock }, { deadlineMs });
          }),
        );
      }
    }
    const misplaced = mall.stores.flatMap(({ products }) => products.filter((product) => product.misplaced));
    return { opened, misplacedSkus: misplaced.map(({ sku }) => sku) };
  } finally {
    close();
  }
}

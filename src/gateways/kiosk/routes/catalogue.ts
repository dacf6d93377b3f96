import { z } from 'zod';
import { product, productsQuery, store } from '../schemas.ts';
import { listProducts, listStores } from '../store.ts';
import { type App, type Parts, problems } from './parts.ts';

/** Stores and products come from the kiosk's own copy: shoppers can look around while Stores is down. */
export function catalogueRoutes(app: App, { database }: Parts): void {
  app.get(
    '/v1/stores',
    {
      schema: {
        summary: 'The stores of the mall, by name',
        response: { 200: z.object({ stores: z.array(store) }), ...problems },
      },
    },
    async () => {
      const rows = await database.query(listStores);
      return { stores: rows.map(({ storeId, name, participating }) => ({ storeId, name, participating })) };
    },
  );

  app.get(
    '/v1/products',
    {
      schema: {
        summary: 'The products that can be ordered, by name',
        querystring: productsQuery,
        response: { 200: z.object({ products: z.array(product) }), ...problems },
      },
    },
    async (request) => {
      const rows = await database.query((orm) => listProducts(orm, request.query.storeId));
      return {
        products: rows.map(({ productId, storeId, sku, name, priceMinor, currency, stock }) => ({
          productId,
          storeId,
          sku,
          name,
          price: { minor: priceMinor, currency },
          stock,
        })),
      };
    },
  );
}

import { notFound } from '../../contract/errors.ts';
import { newId, requireId } from '../../contract/ids.ts';
import { requireText } from '../../contract/text.ts';
import type { Database, Transaction } from '../../database/port.ts';
import type { Product, StoresService } from '../../gen/stores/v1/stores.ts';
import type { Messaging, Outcome } from '../../role/messaging.ts';
import type { Api } from '../../rpc/api.ts';
import { decideAddition, decideProduct, decideStore } from './decide.ts';
import type { AddProduct, ProductCommand, StoreState } from './messages.ts';
import {
  insertProduct,
  insertStore,
  listProducts,
  listStores,
  lockProducts,
  lockStore,
  skuHolder,
  storeExists,
  updateProduct,
  updateStore,
} from './store.ts';
import { maxNameChars, requirePosition, requirePrice, requireSku, requireStock } from './validate.ts';

/** The gRPC API of Stores: each method checks its request, decides, and commits the new state with its events. */
export function storesApi(database: Database, messaging: Messaging): Api<StoresService> {
  const commit = <T>(work: (tx: Transaction) => Promise<Outcome<T>>) => messaging.commit(newId(), work);
  const change = (productId: string, command: Exclude<ProductCommand, AddProduct>) =>
    commit((tx) => changeProduct(tx, productId, command));

  return {
    async openStore(request) {
      const open = {
        type: 'open',
        storeId: requireId('store_id', request.storeId),
        name: requireText('name', request.name, maxNameChars),
        position: requirePosition('position', request.position),
      } as const;
      return commit(async (tx) => {
        const { state, events } = decideStore(undefined, open);
        if (await insertStore(tx.orm, state)) return { result: state, events };
        return { result: decideStore(await lockStore(tx.orm, open.storeId), open).state, events: [] };
      });
    },

    async setParticipation({ storeId: id, participating }) {
      const storeId = requireId('store_id', id);
      return commit(async (tx) => {
        const store = await requireStore(tx, storeId);
        const { state, events } = decideStore(store, { type: 'setParticipation', participating });
        if (events.length > 0) await updateStore(tx.orm, state);
        return { result: state, events };
      });
    },

    async listStores() {
      return { stores: await database.query(listStores) };
    },

    async addProduct(request) {
      const add = {
        type: 'add',
        productId: requireId('product_id', request.productId),
        storeId: requireId('store_id', request.storeId),
        sku: requireSku('sku', request.sku),
        name: requireText('name', request.name, maxNameChars),
        price: requirePrice('price', request.price),
        stock: requireStock('stock', request.stock),
      } as const;
      return commit((tx) => addProduct(tx, add));
    },

    changePrice: async ({ productId, price }) =>
      change(requireId('product_id', productId), { type: 'changePrice', price: requirePrice('price', price) }),

    setStock: async ({ productId, stock }) =>
      change(requireId('product_id', productId), { type: 'setStock', stock: requireStock('stock', stock) }),

    removeProduct: async ({ productId }) => change(requireId('product_id', productId), { type: 'remove' }),

    async listProducts({ storeId: id }) {
      if (id === '') return { products: await database.query((orm) => listProducts(orm)) };
      const storeId = requireId('store_id', id);
      const products = await database.query((orm) => listProducts(orm, storeId));
      if (products.length === 0 && !(await database.query((orm) => storeExists(orm, storeId)))) throw noStore(storeId);
      return { products };
    },
  };
}

/** The store's lock is what keeps two products from taking one SKU. */
async function addProduct(tx: Transaction, add: AddProduct): Promise<Outcome<Product>> {
  await requireStore(tx, add.storeId);
  const decide = async () => {
    const existing = (await lockProducts(tx.orm, [add.productId])).get(add.productId);
    return decideAddition(existing, add, await skuHolder(tx.orm, add.storeId, add.sku));
  };
  const { state, events } = await decide();
  if (events.length === 0) return { result: state, events };
  if (await insertProduct(tx.orm, state)) return { result: state, events };
  // Added to another store since we looked; a second look finds it and refuses.
  return { result: (await decide()).state, events: [] };
}

async function changeProduct(
  tx: Transaction,
  productId: string,
  command: Exclude<ProductCommand, AddProduct>,
): Promise<Outcome<Product>> {
  const product = (await lockProducts(tx.orm, [productId])).get(productId);
  if (!product || (product.removed && command.type !== 'remove')) {
    throw notFound('product', 'product_id', productId, product && 'it was removed; add a new one');
  }
  const { state, events } = decideProduct(product, command);
  if (events.length > 0) await updateProduct(tx.orm, state);
  return { result: state, events };
}

async function requireStore(tx: Transaction, storeId: string): Promise<StoreState> {
  const store = await lockStore(tx.orm, storeId);
  if (!store) throw noStore(storeId);
  return store;
}

const noStore = (storeId: string) => notFound('store', 'store_id', storeId, 'open it first');

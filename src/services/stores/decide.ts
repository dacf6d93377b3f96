import { MallError, quoted, refused } from '../../contract/errors.ts';
import { type Draft, draft } from '../../contract/message.ts';
import { StockReason } from '../../gen/events/stores/v1/events.ts';
import type { AddProduct, ProductCommand, ProductState, StoreCommand, StoreState, UnitMove } from './messages.ts';

export interface Decision<S> {
  readonly state: S;
  /** Empty: nothing changed, nothing to write. */
  readonly events: readonly Draft[];
}

const unchanged = <S>(state: S): Decision<S> => ({ state, events: [] });

/** @throws MallError ALREADY_EXISTS when another store has the id */
export function decideStore(
  state: StoreState | undefined,
  command: Extract<StoreCommand, { type: 'open' }>,
): Decision<StoreState>;
export function decideStore(state: StoreState, command: StoreCommand): Decision<StoreState>;
export function decideStore(state: StoreState | undefined, command: StoreCommand): Decision<StoreState> {
  if (command.type === 'open') {
    const { storeId, name, position } = command;
    if (!state) return announced({ storeId, name, position, participating: true, version: 1 });
    const same = state.name === name && state.position.x === position.x && state.position.y === position.y;
    if (same) return unchanged(state);
    throw taken('store_id', storeId, `there is another store with this id: ${quoted(state.name)}`);
  }
  if (!state) throw new Error('only opening starts from nothing');
  if (state.participating === command.participating) return unchanged(state);
  return announced({ ...state, participating: command.participating, version: state.version + 1 });
}

function announced(state: StoreState): Decision<StoreState> {
  return { state, events: [draft('stores.participation_changed', state.storeId, { ...state })] };
}

/** @throws MallError ALREADY_EXISTS when the id or, within the store, the SKU is another product's (`skuHolder` is the id of that product) */
export function decideAddition(
  state: ProductState | undefined,
  command: AddProduct,
  skuHolder: string | undefined,
): Decision<ProductState> {
  const { type: _, ...product } = command;
  if (state) {
    const same =
      state.storeId === product.storeId &&
      state.sku === product.sku &&
      state.name === product.name &&
      state.price.currency === product.price.currency &&
      state.added.priceMinor === product.price.minor &&
      state.added.stock === product.stock;
    if (same) return unchanged(state);
    throw taken(
      'product_id',
      product.productId,
      `there is another product with this id, or it was added with other content: ${quoted(state.name)}`,
    );
  }
  if (skuHolder) {
    throw taken('sku', product.sku, `product ${skuHolder} of the same store has SKU ${quoted(product.sku)}`);
  }
  const added = { priceMinor: product.price.minor, stock: product.stock };
  const body = { ...product, version: 1 };
  return {
    state: { ...product, removed: false, version: 1, added },
    events: [draft('stores.product_added', product.productId, body)],
  };
}

/** @throws MallError FAILED_PRECONDITION when a new price is in another currency */
export function decideProduct(
  state: ProductState,
  command: Exclude<ProductCommand, AddProduct>,
): Decision<ProductState> {
  const { productId } = state;
  const version = state.version + 1;
  switch (command.type) {
    case 'changePrice': {
      const { price } = command;
      if (price.currency !== state.price.currency) {
        throw refused(
          'price.currency',
          price.currency,
          'CURRENCY_MISMATCH',
          `product ${productId} is sold in ${state.price.currency}, not in ${price.currency}`,
          `give the price in ${state.price.currency}, or add another product`,
        );
      }
      if (price.minor === state.price.minor) return unchanged(state);
      return {
        state: { ...state, price, version },
        events: [draft('stores.price_changed', productId, { productId, price, version })],
      };
    }
    case 'setStock':
      if (command.stock === state.stock) return unchanged(state);
      return moved(state, command.stock - state.stock, StockReason.SET);
    case 'remove':
      if (state.removed) return unchanged(state);
      return {
        state: { ...state, removed: true, version },
        events: [draft('stores.product_removed', productId, { productId, version })],
      };
    case 'take':
      return moved(state, -command.quantity, StockReason.PICKED, command);
    case 'writeOff':
      return moved(state, -command.quantity, StockReason.SHORT, command);
    case 'recount':
      return moved(state, command.quantity, StockReason.SHORT, command);
    case 'putBack':
      return moved(state, command.quantity, StockReason.RETURNED, command);
    case 'giveUp':
      return { state, events: [unitsGone(state, command)] };
    default:
      throw new Error(`no such command: ${JSON.stringify(command satisfies never)}`);
  }
}

/** The stock after `delta`, and the event that says so; on an order's account the event belongs to the order's trace. */
function moved(state: ProductState, delta: number, reason: StockReason, move?: UnitMove): Decision<ProductState> {
  if (delta === 0) return unchanged(state);
  const { productId } = state;
  const { orderId, lineId } = move?.line ?? { orderId: '', lineId: '' };
  const attempt = move?.attempt ?? 0;
  const stock = state.stock + delta;
  const version = state.version + 1;
  const body = { productId, stock, reason, delta, orderId, lineId, version, attempt };
  return {
    state: { ...state, stock, version },
    events: [draft('stores.stock_changed', productId, body, orderId ? { correlationId: orderId } : {})],
  };
}

function unitsGone({ productId }: ProductState, { quantity, attempt, line: { orderId, lineId } }: UnitMove): Draft {
  const body = { productId, orderId, lineId, quantity, attempt };
  return draft('stores.units_gone', productId, body, { correlationId: orderId });
}

function taken(field: string, value: string, message: string): MallError {
  const remedy = 'use another one';
  return new MallError('ALREADY_EXISTS', `${field} is ${quoted(value)}: ${message}; ${remedy}`, {
    reason: `${field.toUpperCase()}_TAKEN`,
    field,
    value,
    remedy,
  });
}

import { SeededRandom, seededId } from './seeded.ts';
import { firstNames, shops } from './shops.ts';

export interface Mall {
  readonly currency: string;
  readonly stores: readonly MallStore[];
}

export interface MallStore {
  /** UUID. */
  readonly storeId: string;
  readonly name: string;
  /** Metres from the depot. */
  readonly position: { readonly x: number; readonly y: number };
  readonly products: readonly MallProduct[];
}

export interface MallProduct {
  /** UUID. */
  readonly productId: string;
  /** Unique in the mall. */
  readonly sku: string;
  readonly name: string;
  readonly priceMinor: number;
  readonly stock: number;
  /** The books have it and the shelf does not: bots find it short. */
  readonly misplaced: boolean;
}

export interface OrderPlan {
  readonly shopper: string;
  /** Each product at most once. */
  readonly lines: ReadonlyArray<{ readonly productId: string; readonly quantity: number }>;
  /** Before the goods are at the depot. */
  readonly paysEarly: boolean;
}

/** Metres: a floor on which a bot walks minutes, not hours. The depot is in its middle. */
const floor = { width: 60, depth: 40 };
/** A place for a store is the roomiest of so many: spread over the floor, and never a search without an end. */
const placesTried = 12;
const productsPerStore = { fewest: 7, most: 9 };
const linesPerOrder = { fewest: 1, most: 5 };
const unitsPerLine = { fewest: 1, most: 3 };
/** The mall has stock for so many. */
export const maxOrders = 200;
/** Units of each product: `maxOrders` cannot sell out what each takes at most three of. */
const unitsInStock = { fewest: 1_000, most: 1_999 };

/** The same mall for the same seed: stores spread over the floor around the depot, and what they sell. One product is misplaced. */
export function drawMall(seed: number, storeCount: number = shops.length): Mall {
  const random = new SeededRandom(seed);
  const stores: MallStore[] = [];
  for (let index = 0; index < storeCount; index++) {
    stores.push(drawStore(seed, index, drawPlace(stores, random), random));
  }
  const misplacedIn = random.whole(0, storeCount - 1);
  const misplaced = stores[misplacedIn]!;
  const which = random.whole(0, misplaced.products.length - 1);
  const products = misplaced.products.map((product, index) => ({ ...product, misplaced: index === which }));
  return { currency: 'EUR', stores: stores.with(misplacedIn, { ...misplaced, products }) };
}

function drawStore(seed: number, index: number, position: MallStore['position'], random: SeededRandom): MallStore {
  const shop = shops[index % shops.length]!;
  // A mall of more stores than there are shops has branches.
  const branch = Math.floor(index / shops.length) + 1;
  const goods = random.some(shop.goods, random.whole(productsPerStore.fewest, productsPerStore.most));
  const products = goods.map(([name, priceMinor], number): MallProduct => {
    const sku = `${shop.code}${branch}-${String(number + 1).padStart(2, '0')}`;
    return {
      productId: seededId(seed, sku),
      sku,
      name,
      priceMinor: Math.round((priceMinor * random.between(0.8, 1.2)) / 10) * 10,
      stock: random.whole(unitsInStock.fewest, unitsInStock.most),
      misplaced: false,
    };
  });
  const name = branch === 1 ? shop.name : `${shop.name} ${branch}`;
  return { storeId: seededId(seed, `${shop.code}${branch}`), name, position, products };
}

/** To the decimetre, as far from the depot and the other stores as the tries allow. */
function drawPlace(others: readonly MallStore[], random: SeededRandom): MallStore['position'] {
  const taken = [{ x: 0, y: 0 }, ...others.map(({ position }) => position)];
  const decimetres = (extent: number) => Math.round(random.between(-extent / 2, extent / 2) * 10) / 10;
  const room = (place: { x: number; y: number }) =>
    Math.min(...taken.map(({ x, y }) => Math.hypot(place.x - x, place.y - y)));
  const places = Array.from({ length: placesTried }, () => ({
    x: decimetres(floor.width),
    y: decimetres(floor.depth),
  }));
  return places.reduce((best, place) => (room(place) > room(best) ? place : best));
}

/**
 * The same orders for the same seed and mall, and the first of many are the same as of few. The first order has the misplaced product beside
 * others and will be short of it; the eighth has nothing else and will be cancelled, and was paid by then.
 * @throws RangeError when the mall has not enough stock for `count` orders; for 200 it always has
 */
export function drawOrders(seed: number, mall: Mall, count: number): OrderPlan[] {
  const random = new SeededRandom(seed ^ 0x0a11_0a11);
  const shelves = new Shelves(mall, random);
  return Array.from({ length: count }, (_, index): OrderPlan => {
    const round = Math.floor(index / firstNames.length);
    const name = firstNames[index % firstNames.length]!;
    const shopper = round === 0 ? name : `${name} ${round + 1}`;
    const paysAnyway = random.next() < 0.5;
    if (index === 7) return { shopper, lines: [shelves.misplacedLine()], paysEarly: true };
    const beside = index === 0 ? [shelves.misplacedLine()] : [];
    const lines = shelves.lines(random.whole(linesPerOrder.fewest, linesPerOrder.most - beside.length));
    // One of the first two pays early and the other late, so that any demo shows both.
    return { shopper, lines: [...lines, ...beside], paysEarly: index < 2 ? index === 0 : paysAnyway };
  });
}

type OrderLine = OrderPlan['lines'][number];

/** What is left while orders are drawn. */
class Shelves {
  readonly #random: SeededRandom;
  readonly #stores: ReadonlyArray<readonly MallProduct[]>;
  readonly #misplaced: MallProduct;
  readonly #left: Map<string, number>;

  constructor(mall: Mall, random: SeededRandom) {
    const products = mall.stores.flatMap((store) => store.products);
    this.#random = random;
    this.#stores = mall.stores.map((store) => store.products.filter(({ misplaced }) => !misplaced));
    this.#misplaced = products.find(({ misplaced }) => misplaced)!;
    this.#left = new Map(products.map(({ productId, stock }) => [productId, stock]));
  }

  misplacedLine(): OrderLine {
    return this.#take(this.#misplaced);
  }

  /** `count` products, from as many stores as there are, so that the bot has somewhere to walk. */
  lines(count: number): OrderLine[] {
    const inStock = (product: MallProduct) => this.#left.get(product.productId)! >= unitsPerLine.most;
    const stocked = this.#stores.map((products) => products.filter(inStock)).filter(({ length }) => length > 0);
    if (stocked.length === 0) throw new RangeError('the mall is sold out: draw fewer orders, or a mall of more stores');
    return this.#random.some(stocked, count).map((products) => this.#take(this.#random.some(products, 1)[0]!));
  }

  #take({ productId }: MallProduct): OrderLine {
    const quantity = this.#random.whole(unitsPerLine.fewest, unitsPerLine.most);
    this.#left.set(productId, this.#left.get(productId)! - quantity);
    return { productId, quantity };
  }
}

import { notFound } from '../../contract/errors.ts';
import { type Draft, draft } from '../../contract/message.ts';
import { StuckReason } from '../../gen/events/depot/v1/events.ts';
import { ShopTask } from '../../gen/kinds/shop/v1/shop.ts';
import { kinds } from '../../gen/kinds.ts';
import type { Catalogue, List, ListLine, PlanCommand, PlannedLine } from './messages.ts';
import { depotPosition } from './route.ts';
import { requestTask, stopsOf, type Walk, walkThrough } from './task-request.ts';

/** Orders are served in the order they come. */
const ordinaryPriority = 0;

export interface Planned {
  readonly list: List;
  readonly events: readonly Draft[];
}

/**
 * The shopping list of an order with its route, and the task for a bot; or a stuck list where a store or product has left the mall.
 * @throws MallError NOT_FOUND when the copy of the catalogue has not heard of a store or product yet: try again later
 */
export function plan({ orderId, lines }: PlanCommand, catalogue: Catalogue, taskId: string): Planned {
  const obstacles = lines.flatMap((line) => obstaclesOf(line, catalogue));
  if (lines.length === 0) obstacles.push('the order has no lines');
  const storeIds = [...new Set(lines.map(({ storeId }) => storeId))];
  if (obstacles.length > 0) return unplannable(orderId, toLines(lines, storeIds), [...new Set(obstacles)].join('; '));

  const walk = walkThrough(storeIds, catalogue.stores);
  const walked = walk.stores.map(({ storeId }) => storeId);
  const list: List = {
    state: 'created',
    orderId,
    taskId,
    lines: toLines(lines, walked),
    routeMetres: walk.metres,
  };
  return {
    list,
    events: [
      draft('depot.list_created', orderId, { orderId, taskId, storeIds: walked, routeMetres: walk.metres }),
      requestList(list, walk),
    ],
  };
}

function obstaclesOf({ storeId, productId, name }: PlannedLine, { stores, products }: Catalogue): string[] {
  const store = stores.get(storeId);
  const product = products.get(productId);
  if (!store) throw notYet('store', storeId);
  if (!product) throw notYet('product', productId);
  const obstacles: string[] = [];
  if (!store.participating) obstacles.push(`store ${storeId} (${store.name}) has withdrawn from the mall`);
  if (product.removed) obstacles.push(`product ${productId} (${name}) was removed`);
  else if (product.storeId !== storeId)
    obstacles.push(`product ${productId} (${name}) is not sold by store ${storeId}`);
  return obstacles;
}

/** Its news travels beside the order's, not before it. */
const notYet = (what: string, id: string) =>
  notFound(what, `${what}_id`, id, "Depot's copy of the catalogue has not heard of it yet; try again");

function unplannable(orderId: string, lines: readonly ListLine[], message: string): Planned {
  return {
    list: { state: 'stuck', orderId, taskId: '', lines, routeMetres: 0, reason: message },
    events: [draft('depot.list_stuck', orderId, { orderId, taskId: '', reason: StuckReason.UNPLANNABLE, message })],
  };
}

function toLines(lines: readonly PlannedLine[], storeIds: readonly string[]): ListLine[] {
  const stopOf = new Map(storeIds.map((id, stop) => [id, stop]));
  return lines.map((line) => ({ ...line, stop: stopOf.get(line.storeId)!, picked: 0, short: 0 }));
}

function requestList({ orderId, taskId, lines }: List, walk: Walk): Draft {
  const task: ShopTask = { orderId, depot: depotPosition, stops: stopsOf(walk, lines) };
  return requestTask({
    taskId,
    orderId,
    schema: kinds.shop,
    payload: ShopTask.encode(task).finish(),
    priority: ordinaryPriority,
    position: walk.stores[0]!.position,
  });
}

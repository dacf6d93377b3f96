import { z } from 'zod';
import { notFound } from '../../contract/errors.ts';
import { requireId } from '../../contract/ids.ts';
import { pageOf, readPage } from '../../contract/page.ts';
import type { Database } from '../../database/port.ts';
import {
  type DepotService,
  type ListItem,
  ListState,
  type Return,
  ReturnState,
  type ShoppingList,
} from '../../gen/depot/v1/depot.ts';
import type { Api } from '../../rpc/api.ts';
import { bayName, takenBays } from './bay-store.ts';
import { type ReturnRow, readReturns } from './return-store.ts';
import { type ListRow, readList } from './store.ts';

/** The gRPC API of Depot: only questions; what happens there, happens by events. */
export function depotApi(database: Database): Api<DepotService> {
  return {
    async getList({ orderId: id }) {
      const orderId = requireId('order_id', id);
      const [rows, returns] = await database.query(async (orm) => [
        await readList(orm, orderId),
        await readReturns(orm, orderId),
      ]);
      const [first] = rows;
      if (!first) throw notFound('shopping list', 'order_id', orderId);
      return { ...toShoppingList(first, rows), returns: toReturns(returns) };
    },

    async listBays(request) {
      const { size, after } = readPage(request, bayPlace);
      const found = await database.query((orm) => takenBays(orm, after, size + 1));
      const { page, nextPageToken } = pageOf(found, size, ({ since, number }) => [since!.toISOString(), number]);
      const bays = page.map(({ number, orderId, since }) => ({
        bay: bayName(number),
        orderId: orderId!,
        since: since!,
      }));
      return { bays, nextPageToken };
    },
  };
}

/** What page tokens are made of. */
const bayPlace = z.tuple([z.iso.datetime(), z.int32()]).readonly();

const states = {
  created: ListState.CREATED,
  assigned: ListState.ASSIGNED,
  waiting_for_bay: ListState.WAITING_FOR_BAY,
  completed: ListState.COMPLETED,
  stuck: ListState.STUCK,
  cancelling: ListState.CANCELLING,
  cancelled: ListState.CANCELLED,
} as const;

function toShoppingList({ list, bay }: ListRow, rows: readonly ListRow[]): Omit<ShoppingList, 'returns'> {
  const { orderId, taskId, state, botId, routeMetres, reason } = list;
  const stops = new Map<string, { storeId: string; storeName: string; items: ListItem[] }>();
  for (const { line, storeName } of rows) {
    // An order without lines is stuck, and has one row without a line.
    if (!line) continue;
    const stop = stops.get(line.storeId) ?? { storeId: line.storeId, storeName: storeName ?? '', items: [] };
    stops.set(line.storeId, stop);
    stop.items.push(line);
  }
  return {
    orderId,
    taskId: taskId ?? '',
    state: states[state],
    botId,
    stops: [...stops.values()],
    bay: bay === null ? '' : bayName(bay),
    routeMetres,
    reason,
  };
}

const returnStates = {
  requested: ReturnState.REQUESTED,
  under_way: ReturnState.UNDER_WAY,
  done: ReturnState.DONE,
  lost: ReturnState.LOST,
} as const;

const toReturns = (rows: readonly ReturnRow[]): Return[] =>
  [...Map.groupBy(rows, ({ bringBack }) => bringBack.taskId).values()].map((own) => {
    const { state, ...bringBack } = own[0]!.bringBack;
    return { ...bringBack, state: returnStates[state], items: own.map(({ line, name }) => ({ ...line, name })) };
  });

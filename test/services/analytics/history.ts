import { newId } from '../../../src/contract/ids.ts';
import { type Draft, draft, type Message, seal } from '../../../src/contract/message.ts';

export const startMs = Date.UTC(2026, 0, 5, 10);
const at = (seconds: number) => new Date(startMs + seconds * 1_000);

const told = (seconds: number, drafted: Draft): Message =>
  seal(drafted, { id: newId(), source: '/test', time: at(seconds), causationId: 'test', traceparent: '' });

const money = (minor: number) => ({ minor, currency: 'EUR' });
export const [books, toys] = [newId(), newId()];
const store = (storeId: string, name: string, version: number) =>
  draft('stores.participation_changed', storeId, {
    storeId,
    name,
    participating: true,
    version,
    position: { x: 1, y: 2 },
  });

/** Three orders: one ready after 30 s in two attempts, one after 90 s in the next hour, one cancelled for want of goods. */
export function history(): Message[] {
  const [ada, ben, eve] = [newId(), newId(), newId()];
  const placed = (orderId: string) =>
    draft('orders.placed', orderId, { orderId, shopper: 'Ada', lines: [], total: money(1) });
  const task = (orderId: string, botId: string, fence: number, seconds: number, attempt = 1) => ({
    task: { taskId: orderId, orderId, kind: 'shop.v1', attempt, fence, botId, occurredAt: at(seconds) },
  });
  const short = (storeId: string, quantity: number) => ({
    lineId: newId(),
    productId: newId(),
    storeId,
    quantity,
    original: undefined,
  });
  return [
    told(0, store(books, 'Bookshelf', 1)),
    told(0, store(toys, 'Toys', 1)),
    told(0, placed(ada)),
    told(2, draft('bots.task_started', ada, task(ada, 'bot-1', 1, 2))),
    told(4, draft('bots.item_short', ada, { ...task(ada, 'bot-1', 1, 4), ...short(toys, 7) })),
    told(12, draft('bots.task_lost', ada, { ...task(ada, 'bot-1', 2, 12, 2), lostFence: 1, reason: 'lease' })),
    told(13, draft('bots.task_started', ada, task(ada, 'bot-2', 2, 13, 2))),
    told(20, draft('bots.item_short', ada, { ...task(ada, 'bot-2', 2, 20, 2), ...short(toys, 1) })),
    told(21, draft('bots.item_short', ada, { ...task(ada, 'bot-2', 2, 21, 2), ...short(toys, 2) })),
    told(29, draft('bots.task_succeeded', ada, { ...task(ada, 'bot-2', 2, 29, 2), lines: [], original: undefined })),
    told(30, draft('orders.ready', ada, { orderId: ada, bay: 'A1' })),
    told(35, draft('orders.pickup_refused', ada, { orderId: ada, wrongCodes: 5, locked: true })),
    told(38, draft('orders.identity_checked', ada, { orderId: ada, reason: 'passport', wasLocked: true })),
    told(40, draft('orders.completed', ada, { orderId: ada })),
    told(50, store(toys, 'Little Orbit Toys', 2)),
    told(3_600, placed(ben)),
    told(3_610, draft('bots.task_started', ben, task(ben, 'bot-2', 1, 3_610))),
    told(3_680, draft('bots.task_succeeded', ben, { ...task(ben, 'bot-2', 1, 3_680), lines: [], original: undefined })),
    told(3_690, draft('orders.ready', ben, { orderId: ben, bay: 'A1' })),
    told(3_700, placed(eve)),
    told(3_701, draft('bots.task_started', eve, task(eve, 'bot-1', 1, 3_701))),
    told(3_702, draft('bots.item_short', eve, { ...task(eve, 'bot-1', 1, 3_702), ...short(books, 1) })),
    told(3_710, draft('bots.task_succeeded', eve, { ...task(eve, 'bot-1', 1, 3_710), lines: [], original: undefined })),
    told(3_711, draft('orders.cancelled', eve, { orderId: eve, reason: 'SOLD_OUT' })),
  ];
}

import { requireId } from '../../contract/ids.ts';
import type { Database } from '../../database/port.ts';
import type { AnalyticsService, Happening } from '../../gen/analytics/v1/analytics.ts';
import type { Api } from '../../rpc/api.ts';
import {
  countBots,
  countHours,
  countOrders,
  countShorts,
  measureReady,
  readCountedTo,
  type TimelineRow,
} from './store.ts';
import { readTimeline } from './timeline-store.ts';
import { periodOf } from './validate.ts';

export const analyticsApi = (database: Database): Api<typeof AnalyticsService> => ({
  async getStats(request) {
    const period = periodOf(request);
    // One transaction, for the numbers to be of one moment.
    return database.transaction(async ({ orm }) => ({
      countedTo: await readCountedTo(orm),
      orders: await countOrders(orm, period),
      hours: (await countHours(orm, period)).map(({ beginMs, ...counts }) => ({ begin: new Date(beginMs), ...counts })),
      ready: await measureReady(orm, period),
      bots: await countBots(orm, period),
      shorts: await countShorts(orm, period),
    }));
  },

  async getTimeline(request) {
    const orderId = requireId('order_id', request.orderId);
    return database.transaction(async ({ orm }) => ({
      countedTo: await readCountedTo(orm),
      happenings: (await readTimeline(orm, orderId)).map(toMessage),
    }));
  },
});

const toMessage = ({ amountMinor, currency, orderId: _, ...same }: TimelineRow): Happening => ({
  ...same,
  amount: currency === '' ? undefined : { minor: amountMinor, currency },
});

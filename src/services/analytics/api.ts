import type { Database } from '../../database/port.ts';
import type { AnalyticsService } from '../../gen/analytics/v1/analytics.ts';
import type { Api } from '../../rpc/api.ts';
import { countBots, countHours, countOrders, countShorts, measureReady, readCountedTo } from './store.ts';
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
});

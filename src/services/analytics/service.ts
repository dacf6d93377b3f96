import { journalMaxAgeMs, mallTopology } from '../../contract/topology.ts';
import { migrationsOf } from '../../database/migrations.ts';
import { AnalyticsService } from '../../gen/analytics/v1/analytics.ts';
import { Loop } from '../../kit/loop.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { implement, startServer } from '../../rpc/server.ts';
import { analyticsApi } from './api.ts';
import { followJournal } from './follow.ts';
import { pruneTimeline } from './timeline-store.ts';

const pruneIntervalMs = 600_000;

/** Counts what the journal says, from its beginning on: it may join a mall that has run for a month. */
export async function startAnalytics({ config, database, broker, telemetry }: RoleContext): Promise<Role> {
  await database.migrate('analytics', migrationsOf('analytics'));
  await broker.declare(mallTopology);
  const { logger } = telemetry;
  const following = followJournal({ broker, database, logger });
  const pruning = new Loop(() => database.query((orm) => pruneTimeline(orm, journalMaxAgeMs)), {
    pollMs: pruneIntervalMs,
    backoff: { firstMs: 1_000, maxMs: pruneIntervalMs, factor: 2 },
    onError: (error, retryInMs) => logger.warn({ err: error, retryInMs }, 'pruning the time lines failed; tried again'),
  }).start();
  const stop = () => Promise.all([following.stop(), pruning.stop()]);
  try {
    const implementation = implement(AnalyticsService, analyticsApi(database), telemetry);
    const server = await startServer(config.listen.analytics, [{ definition: AnalyticsService, implementation }]);
    return {
      address: server.address,
      async drain() {
        await server.drain();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

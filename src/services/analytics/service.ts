import { mallTopology } from '../../contract/topology.ts';
import { migrationsOf } from '../../database/migrations.ts';
import { AnalyticsService } from '../../gen/analytics/v1/analytics.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { implement, startServer } from '../../rpc/server.ts';
import { analyticsApi } from './api.ts';
import { followJournal } from './follow.ts';

/** Counts what the journal says, from its beginning on: it may join a mall that has run for a month. */
export async function startAnalytics({ config, database, broker, telemetry }: RoleContext): Promise<Role> {
  await database.migrate('analytics', migrationsOf('analytics'));
  await broker.declare(mallTopology);
  const following = followJournal({ broker, database, logger: telemetry.logger });
  try {
    const implementation = implement(AnalyticsService, analyticsApi(database), telemetry);
    const server = await startServer(config.listen.analytics, [{ definition: AnalyticsService, implementation }]);
    return {
      address: server.address,
      async drain() {
        await server.drain();
        await following.stop();
      },
    };
  } catch (error) {
    await following.stop();
    throw error;
  }
}

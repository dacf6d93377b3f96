import { Command } from 'commander';
import { readable } from '../contract/readable.ts';
import { AnalyticsService, type Stats } from '../gen/analytics/v1/analytics.ts';
import { hostPort, instantOrAge } from './arguments.ts';
import { atRole } from './at-role.ts';
import { formatAge, formatDuration, writeJson, writeLine, writeTable } from './output.ts';

interface Options {
  readonly analytics?: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly json?: boolean;
}

const examples = `
Examples:
  $ mallbots stats                  since the first event that is kept
  $ mallbots stats --since 24h      of the last day
  $ mallbots stats --since 2026-11-01T00:00:00Z --until 2026-11-08T00:00:00Z
  $ mallbots stats --json | jq .ready

An order counts in the period in which it was placed, an attempt of a robot in
that in which it began.

Exit status: 0 done, 1 failed, 2 wrong arguments, 5 not available.`;

/** `mallbots stats`: what the journal of all events adds up to, by the analytics role. */
export const statsCommand = (): Command =>
  new Command('stats')
    .description('orders per hour, time until ready, what each robot did, what each store was short of')
    .option('--since <time>', 'an instant (ISO 8601) or an age: 90s, 30m, 24h, 7d', instantOrAge)
    .option('--until <time>', 'the same; without it up to now', instantOrAge)
    .option(
      '--analytics <host:port>',
      'where the analytics role listens (default: MALLBOTS_ANALYTICS_ADDRESS)',
      hostPort,
    )
    .option('--json', 'one JSON object on standard output and nothing else')
    .addHelpText('after', examples)
    .action(async ({ analytics, since, until, json }: Options) => {
      const stats = await atRole(AnalyticsService, 'analytics', analytics, (api) => api.getStats({ since, until }));
      if (json) writeJson(statsView(stats));
      else writeStats(stats, new Date());
    });

/** Every member stands in it, also when nothing is known of it yet. */
const statsView = (stats: Stats) => ({ countedTo: null, orders: null, ready: null, ...(readable(stats) as object) });

function writeStats({ countedTo, orders, hours, ready, bots, shorts }: Stats, now: Date): void {
  if (!countedTo) {
    writeLine('nothing has happened yet');
    return;
  }
  const { placed = 0, completed = 0, cancelled = 0, rejected = 0 } = orders ?? {};
  writeLine(`orders: ${placed} placed, ${completed} completed, ${cancelled} cancelled, ${rejected} rejected`);
  if (ready && ready.count > 0) {
    const [p50, p90, p99, max] = [ready.p50Ms, ready.p90Ms, ready.p99Ms, ready.maxMs].map(formatDuration);
    writeLine(
      `until ready: half within ${p50}, 90 % within ${p90}, 99 % within ${p99}, all ${ready.count} within ${max}`,
    );
  }
  if (hours.length > 0) {
    const shown = hours.map(({ begin, placed, ready }) => [
      begin?.toISOString().slice(0, 16) ?? '',
      String(placed),
      String(ready),
    ]);
    writeTable(['hour (UTC)', 'placed', 'of them ready'], shown);
  }
  if (bots.length > 0) {
    writeTable(
      ['bot', 'succeeded', 'otherwise', 'busy', 'share'],
      bots.map(({ botId, succeeded, unsuccessful, busyMs, busyShare }) => [
        botId,
        String(succeeded),
        String(unsuccessful),
        formatDuration(busyMs),
        `${Math.round(busyShare * 100)} %`,
      ]),
    );
  }
  if (shorts.length > 0) {
    const shown = shorts.map(({ storeName, storeId, lines, units }) => [
      storeName || storeId,
      String(lines),
      String(units),
    ]);
    writeTable(['short in', 'lines', 'units'], shown);
  }
  writeLine(`counted up to ${formatAge(countedTo, now)} ago`);
}

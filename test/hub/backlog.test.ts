import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { type RawBot, shopSchema } from './raw-bot.ts';

const backlog = 100_000;
const dispatched = 40;
/** Of the table, for one task from its request to its result; one is read for each bot that tasks wait for, however many. */
const mostRowsPerTask = 50;

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ leaseMs: 60_000 });
});
afterEach(() => fleet[Symbol.asyncDispose]());

/** Tasks that have waited for a day, in the language of `digest`, for whichever bot `bot` names: an expression of `n`, their number. */
const wait = (digest: string, bot: string, count = backlog) =>
  fleet.database.query((orm) =>
    orm.execute(sql`
      insert into hub.tasks (task_id, order_id, kind, revision, digest, payload, priority, rank, only_bot_id, max_attempts, traceparent,
        correlation_id, causation_id, created_at, state, attempt, fence, not_before)
      select gen_random_uuid(), gen_random_uuid(), 'shop', 1, ${digest}, '', 0, 1000 + n, ${sql.raw(bot)}, 3, '', '', '',
        now() - interval '1 day', 'QUEUED', 1, 0, now() - interval '1 day'
      from generate_series(1, ${count}::int) n`),
  );

interface Reads {
  readonly scans: number;
  readonly rows: number;
}

async function reads(): Promise<Reads> {
  const [row] = await fleet.database.query((orm) =>
    orm.execute(sql`
      select (seq_scan + idx_scan)::int as scans, (seq_tup_read + idx_tup_fetch)::int as rows
      from pg_stat_user_tables where schemaname = 'hub' and relname = 'tasks'`),
  );
  return row as unknown as Reads;
}

async function doOne(bot: RawBot): Promise<void> {
  const task = await bot.lease();
  await bot.acknowledged(bot.result(task, { outcome: Outcome.FAILED, reason: 'the shop is closed' }));
}

it.each([
  ['in another language', 'sha256:theirs', `''`],
  ['for bots that are away', shopSchema.digest, `'away-' || n % 5`],
])('a new task is dispatched without a look at 100,000 that wait %s', async (_, digest, bots) => {
  await wait(digest, bots);
  const bot = fleet.bot();
  await bot.welcomed();
  const before = await reads();
  for (let n = 0; n < dispatched; n++) {
    await fleet.request();
    await doOne(bot);
  }
  await fewRead(before);
});

it('the next of 100,000 that wait for any bot is dispatched without a look at the others', async () => {
  await wait(shopSchema.digest, `''`);
  const bot = fleet.bot();
  await bot.welcomed();
  const before = await reads();
  for (let n = 0; n < dispatched; n++) await doOne(bot);
  await fewRead(before);
});

/** PostgreSQL's counts come a moment later: within a second of the end of a connection's last transaction. */
async function fewRead(before: Reads): Promise<void> {
  const since = async () => {
    const { scans, rows } = await reads();
    return { scans: scans - before.scans, rows: rows - before.rows };
  };
  await expect.poll(since, { timeout: 20_000 }).toMatchObject({ scans: expect.toSatisfy((n) => n >= dispatched) });
  expect((await since()).rows).toBeLessThan(mostRowsPerTask * dispatched);
}

it('what another hub has queued is found although its note about it is lost', async () => {
  const bot = fleet.bot();
  await bot.welcomed();
  await wait(shopSchema.digest, `''`, 1);
  await doOne(bot);
});

import { sql } from 'drizzle-orm';
import { expect, it, onTestFinished } from 'vitest';
import { migrationsOf } from '../../src/database/migrations.ts';
import type { Database } from '../../src/database/port.ts';
import { type LeasePorts, Leases } from '../../src/hub/leases.ts';
import { hubTimes } from '../../src/hub/limits.ts';
import { LiveBot } from '../../src/hub/live-bot.ts';
import { Patience } from '../../src/hub/patience.ts';
import { ProtocolView } from '../../src/hub/protocol/view.ts';
import { Roster } from '../../src/hub/roster.ts';
import { withDatabase } from '../support/database.ts';
import { silentLogger } from '../support/silent-logger.ts';

/** More than two statements take. */
const bots = 1_100;
const times = hubTimes(10_000);
const view = new ProtocolView(new Map(), [], []);
const limits = { of: () => Number.POSITIVE_INFINITY };

/** The sessions of many bots, in the table and here; the table's of the last one has a newer stream. */
async function fleet() {
  const db = await withDatabase();
  onTestFinished(() => db[Symbol.asyncDispose]());
  await db.database.migrate('hub', migrationsOf('hub'));
  await db.database.query((orm) =>
    orm.execute(sql`
      insert into hub.bots (bot_id, instance_id, boot_count, epoch, session_id, hub_id, connected, session_expires_at, last_seen_at)
      select 'bot-' || n, 'i', 1, case when n = ${bots}::int then 2 else 1 end, 's', 'h', true, now(), now()
      from generate_series(1, ${bots}::int) n`),
  );
  const roster = new Roster(bots);
  const superseded: string[] = [];
  const seats = Array.from({ length: bots }, (_, index) => {
    const introduction = { botId: `bot-${index + 1}`, kinds: new Set(), anyKind: false, digests: [], credits: [] };
    const bot = new LiveBot(introduction as never, { sessionId: 's', epoch: 1 }, view, limits, performance.now());
    const input = ({ type }: { type: string }) => type === 'superseded' && superseded.push(bot.botId);
    const seat = { bot, takesOffers: true, send: () => true, input };
    roster.add(seat);
    return seat;
  });
  return { db, roster, seats, superseded };
}

function leasesOf(database: Database, roster: Roster) {
  const ports = {
    ...{ database, roster, times, logger: silentLogger, policyOf: () => ({}), metrics: { renewed: () => undefined } },
    ...{
      ledger: { expire: async () => [], endOverdue: async () => [] },
      takeArrivals: () => 0,
      onHerd: () => undefined,
    },
    patience: new Patience(times.leaseMs, performance.now()),
  };
  const leases = new Leases(ports as unknown as LeasePorts);
  leases.start();
  onTestFinished(() => leases.stop());
}

it('renews the sessions of all who have beaten, however many, and finds those that are outdated', async () => {
  const { db, roster, seats, superseded } = await fleet();
  const silent = seats[4]!.bot;
  for (const { bot } of seats) if (bot !== silent) bot.beat([]);
  seats[3]!.bot.locate({ x: 1, y: 2 }, 0.5);
  leasesOf(db.database, roster);
  const renewed = () =>
    db.database.query((orm) =>
      orm.execute<{ bot_id: string }>(sql`
        select bot_id from hub.bots where session_expires_at > now() + interval '5 seconds' order by length(bot_id), bot_id`),
    );
  await expect.poll(async () => (await renewed()).length, { timeout: 10_000 }).toBe(bots - 2);
  expect((await renewed()).map(({ bot_id }) => bot_id)).not.toContain(silent.botId);
  expect(superseded).toEqual([`bot-${bots}`]);
  expect(seats.filter(({ bot }) => bot.hasBeaten)).toEqual([]);
  const [moved] = await db.database.query((orm) =>
    orm.execute(sql`select x, y, battery from hub.bots where bot_id = ${seats[3]!.bot.botId}`),
  );
  expect(moved).toEqual({ x: 1, y: 2, battery: 0.5 });
});

it('leaves the stream alone that a bot has opened here while its older one was renewed', async () => {
  const { db, roster, seats, superseded } = await fleet();
  const last = seats.at(-1)!;
  last.bot.beat([]);
  let renewals = 0;
  const slow: Pick<Database, 'query'> = {
    async query(work) {
      // Between what is said and what the table answers.
      const introduction = { ...last.bot, kinds: new Set(), anyKind: false, digests: [], credits: [] };
      last.bot = new LiveBot(introduction as never, { sessionId: 's', epoch: 2 }, view, limits, performance.now());
      const answer = await db.database.query(work);
      renewals += 1;
      return answer;
    },
  };
  leasesOf(slow as Database, roster);
  await expect.poll(() => renewals, { timeout: 10_000 }).toBeGreaterThan(0);
  expect(superseded).toEqual([]);
});

it('does not renew the session of a bot that leaves while those before it are renewed', async () => {
  const { db, roster, seats } = await fleet();
  const gone = seats[bots - 2]!;
  for (const { bot } of seats) bot.beat([]);
  let renewals = 0;
  const counted: Pick<Database, 'query'> = {
    async query(work) {
      if (renewals === 0) roster.remove(gone, false);
      renewals += 1;
      return db.database.query(work);
    },
  };
  leasesOf(counted as Database, roster);
  await expect.poll(() => seats.filter(({ bot }) => bot.hasBeaten), { timeout: 10_000 }).toEqual([gone]);
  await expect.poll(() => renewals, { timeout: 10_000 }).toBe(3);
  const [row] = await db.database.query((orm) =>
    orm.execute<{ over: boolean }>(sql`
      select session_expires_at <= now() as over from hub.bots where bot_id = ${gone.bot.botId}`),
  );
  expect(row).toEqual({ over: true });
});

it('takes again what a database that went away has not written, credits included', async () => {
  const { db, roster, seats } = await fleet();
  const [first] = seats;
  first!.bot.beat([]);
  first!.bot.setCredit('shop', 3);
  let failures = 0;
  const flaky: Pick<Database, 'query'> = {
    async query(work) {
      failures += 1;
      if (failures === 1) throw new Error('the database is away');
      return db.database.query(work);
    },
  };
  leasesOf(flaky as Database, roster);
  const written = async () => {
    const [row] = await db.database.query((orm) =>
      orm.execute<{ credits: unknown }>(sql`select credits from hub.bots where bot_id = ${first!.bot.botId}`),
    );
    return row!.credits;
  };
  await expect.poll(written, { timeout: 10_000 }).toEqual([{ kind: 'shop', amount: 3 }]);
  expect(failures).toBeGreaterThan(1);
});

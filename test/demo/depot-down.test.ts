import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { check } from '../../src/audit/checks.ts';
import { readFacts } from '../../src/audit/store.ts';
import { endpointNames, endpointVariable, readConfig } from '../../src/config.ts';
import { newId } from '../../src/contract/ids.ts';
import { openDesk } from '../../src/demo/desk.ts';
import { KioskClient } from '../../src/demo/kiosk-client.ts';
import { drawMall, drawOrders } from '../../src/demo/mall.ts';
import { openMall } from '../../src/demo/open-mall.ts';
import { createScratch } from '../../src/demo/scratch.ts';
import { shop } from '../../src/demo/shopper.ts';
import { freePort } from '../../src/kit/free-port.ts';
import { openBackends } from '../../src/runtime/backends.ts';
import { awaitHealth } from '../../src/runtime/health.ts';
import { drainAll, roleNames, startRole } from '../../src/runtime/roles.ts';
import { mallTimeoutMs, Program } from '../support/program.ts';
import { amqpUrl, databaseUrl, describeWithPostgres, describeWithRabbitMq } from '../support/services.ts';
import { silentLogger as logger } from '../support/silent-logger.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

const seed = 13;
const orderCount = 10;
let cleanUp = new AsyncDisposableStack();

afterEach(async () => {
  await cleanUp.disposeAsync();
  cleanUp = new AsyncDisposableStack();
});

/** A mall on real servers whose Depot, and bots, are processes that the test starts and kills; the other roles are in this process. */
async function startMall() {
  const name = `mallbots_test_${newId().slice(-12)}`;
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  cleanUp.defer(() => rmSync(directory, { recursive: true }));
  const scratch = await createScratch(name, { databaseUrl, amqpUrl, logger });
  cleanUp.defer(() => scratch.remove());
  const environment: Record<string, string> = {
    DATABASE_URL: scratch.databaseUrl,
    AMQP_URL: amqpUrl,
    MALLBOTS_NAMESPACE: scratch.namespace,
    MALLBOTS_TRACE_FILE: join(directory, 'traces.jsonl'),
    MALLBOTS_LOG_LEVEL: 'error',
  };
  for (const each of endpointNames) environment[endpointVariable(each, 'LISTEN')] = `127.0.0.1:${await freePort()}`;
  const config = readConfig(environment);
  const backends = await openBackends(config, { logger, applicationName: name, poolSize: 16 });
  cleanUp.defer(() => backends.close());
  for (const role of roleNames.filter((role) => role !== 'depot')) {
    const started = await startRole(role, config, backends);
    cleanUp.defer(() => drainAll([started]));
  }
  return {
    config,
    database: backends.database,
    start(...args: string[]): Program {
      const program = new Program(args, environment);
      cleanUp.defer(async () => void (await program.kill('SIGTERM')));
      return program;
    },
  };
}

describeWithRabbitMq('a mall on RabbitMQ', { timeout: mallTimeoutMs }, () => {
  describeWithPostgres('and PostgreSQL', () => {
    describe('whose Depot is down', () => {
      test('accepts every order meanwhile, and finishes them all when Depot is back', async () => {
        const { config, database, start } = await startMall();
        const mall = drawMall(seed);
        const { misplacedSkus } = await openMall(mall, config.address.stores);
        const kiosk = new KioskClient(config.address.kiosk, new AbortController().signal);
        const productCount = mall.stores.reduce((sum, { products }) => sum + products.length, 0);
        await vi.waitFor(
          async () => {
            expect((await kiosk.products()).products).toHaveLength(productCount);
            expect(await count('orders.products')).toBe(productCount);
          },
          { timeout: mallTimeoutMs },
        );
        const depot = start('depot');
        await awaitHealth('depot', config.address.depot);
        await depot.kill('SIGKILL');

        // All of them order and pay, and wait at their screens.
        const finals: string[] = [];
        const placed: string[] = [];
        const shoppers = drawOrders(seed, mall, orderCount).map(({ shopper, lines }, index) =>
          shop(
            `shopper-${index}`,
            { shopper, currency: mall.currency, lines, pays: 'early' },
            kiosk,
            {
              placed: (_plan, { orderId }) => placed.push(orderId),
              happened: (_plan, _order, { name }) => {
                if (/^orders\.(completed|cancelled|rejected)$/.test(name)) finals.push(name);
              },
            },
            new AbortController().signal,
          ),
        );
        await vi.waitFor(
          async () => expect(await count(`payments.events where type = 'PaymentReceived'`)).toBe(orderCount),
          { timeout: mallTimeoutMs },
        );
        expect(placed).toHaveLength(orderCount);
        expect(await count('depot.lists')).toBe(0);

        start('depot');
        start(
          ...['bots', '--hub', config.address.hub, '--count=4', `--seed=${seed}`, '--time-scale=200'],
          ...misplacedSkus.flatMap((sku) => ['--short-sku', sku]),
        );
        const visitors = { showsCode: (orderId: string) => kiosk.pickupCode(orderId) };
        const desk = openDesk(config.address.staff, visitors, recordingTelemetry('desk'));
        await Promise.all(shoppers).finally(() => desk.close());

        expect(finals).toHaveLength(orderCount);
        expect(finals.filter((name) => name === 'orders.completed').length).toBeGreaterThan(orderCount / 2);
        await vi.waitFor(async () => expect(check(await readFacts(database))).toEqual([]), { timeout: mallTimeoutMs });

        async function count(what: string): Promise<number> {
          const rows = await database.query((orm) =>
            orm.execute<{ count: number }>(sql.raw(`select count(*)::int as count from ${what}`)),
          );
          return rows[0]!.count;
        }
      });
    });
  });
});

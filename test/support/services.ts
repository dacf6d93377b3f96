import { connect } from 'node:net';
import { describe } from 'vitest';

/** Where the real services are, for suites that need them. */
export const amqpUrl = process.env.MALLBOTS_TEST_AMQP_URL ?? 'amqp://guest:guest@127.0.0.1:5672';
export const databaseUrl = process.env.MALLBOTS_TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';

/** In CI a service that is away is a failure and not a reason to skip. */
const servicesRequired = Boolean(process.env.CI || process.env.MALLBOTS_REQUIRE_SERVICES);
/** Loopback answers in well under a millisecond. */
const probeDeadlineMs = 1_000;

function reachable(url: string, defaultPort: number): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) || defaultPort });
    const settle = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(probeDeadlineMs, () => settle(false));
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

const runs = async (url: string, defaultPort: number) => servicesRequired || (await reachable(url, defaultPort));

/** `describe`, skipped where RabbitMQ is not there and not required. */
export const describeWithRabbitMq = describe.skipIf(!(await runs(amqpUrl, 5672)));
/** `describe`, skipped where PostgreSQL is not there and not required. */
export const describeWithPostgres = describe.skipIf(!(await runs(databaseUrl, 5432)));

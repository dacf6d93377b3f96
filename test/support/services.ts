import { describe } from 'vitest';
import { amqpUrl, databaseUrl, reachable } from './servers.ts';

export { amqpUrl, databaseUrl } from './servers.ts';

/** In CI a service that is away is a failure and not a reason to skip. */
const servicesRequired = Boolean(process.env.CI || process.env.MALLBOTS_REQUIRE_SERVICES);

const runs = async (url: string) => servicesRequired || (await reachable(url));

/** `describe`, skipped where RabbitMQ is not there and not required. */
export const describeWithRabbitMq = describe.skipIf(!(await runs(amqpUrl)));
/** `describe`, skipped where PostgreSQL is not there and not required. */
export const describeWithPostgres = describe.skipIf(!(await runs(databaseUrl)));

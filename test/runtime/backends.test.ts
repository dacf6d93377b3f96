import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { openBackends } from '../../src/runtime/backends.ts';
import { withDatabase } from '../support/database.ts';
import { amqpUrl, databaseUrl, describeWithRabbitMq } from '../support/services.ts';
import { silentLogger } from '../support/silent-logger.ts';

const open = (environment: Record<string, string>, signal?: AbortSignal) =>
  openBackends(readConfig(environment), {
    logger: silentLogger,
    applicationName: 'mallbots test',
    poolSize: 1,
    ...(signal && { signal }),
  });

const changed = (url: string, parts: Partial<URL>) => Object.assign(new URL(url), parts).href;
/** Nobody listens on port 1, and nobody ever will. */
const nobody = 'postgres://postgres@127.0.0.1:1/postgres';

describe('opening a database and a broker', () => {
  it('does not wait for what will not come: a database that does not exist', async () => {
    await expect(open({ DATABASE_URL: changed(databaseUrl, { pathname: '/no_such_database' }) })).rejects.toMatchObject(
      {
        code: 'FAILED_PRECONDITION',
        message: expect.stringMatching(/database "no_such_database" does not exist.*correct DATABASE_URL/),
        detail: { field: 'DATABASE_URL' },
      },
    );
  });

  it('ends its wait for a server that does not answer as soon as it is told to', async () => {
    const stop = new AbortController();
    const opening = open({ DATABASE_URL: nobody }, stop.signal);
    const why = new Error('Ctrl-C');
    stop.abort(why);

    await expect(opening).rejects.toBe(why);
  });
});

describeWithRabbitMq('opening RabbitMQ', () => {
  it.each([
    ['a password that is wrong', { password: 'wrong' }, 'UNAUTHENTICATED', /refuses the credentials \(ACCESS_REFUSED/],
    ['a virtual host that is not there', { pathname: '/nope' }, 'FAILED_PRECONDITION', /vhost nope not found/],
  ])('does not wait for what will not come: %s', async (_what, parts, code, message) => {
    await using db = await withDatabase();

    await expect(open({ DATABASE_URL: db.url, AMQP_URL: changed(amqpUrl, parts) })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      detail: { field: 'AMQP_URL', remedy: 'correct AMQP_URL, or create what it names' },
    });
  });
});

import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSilentServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../src/kit/free-port.ts';
import { type TestDatabase, withDatabase } from '../support/database.ts';
import { startJaeger } from '../support/jaeger.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';
import { Program } from '../support/program.ts';
import { amqpUrl, describeWithRabbitMq } from '../support/services.ts';
import { otlp, story } from './recorded.ts';

interface Finding {
  what: string;
  state: string;
  found: string;
  remedy: string;
}

let db: TestDatabase;
beforeEach(async () => {
  db = await withDatabase();
});
afterEach(() => db[Symbol.asyncDispose]());

async function examine(environment: Record<string, string>) {
  const { code, stdout } = await new Program(['doctor', '--json'], { DATABASE_URL: '', AMQP_URL: '', ...environment })
    .ended;
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return { code, of: (what: string) => findings.find((finding) => finding.what === what) };
}

describe('mallbots doctor', () => {
  it('is content with what it can reach', async () => {
    const { code, of } = await examine({ DATABASE_URL: db.url });

    expect(of('PostgreSQL')).toMatchObject({ state: 'ok', found: expect.stringMatching(/^\d+\.\d+/), remedy: '' });
    expect(code).toBe(0);
  });

  it('says who may not create schemas, and the statement that lets them', async () => {
    const user = `${new URL(db.url).pathname.slice(1)}_guest`;
    await db.database.query((orm) => orm.execute(`create role ${user} login`));
    try {
      const { code, of } = await examine({ DATABASE_URL: Object.assign(new URL(db.url), { username: user }).href });

      expect(of('PostgreSQL')).toMatchObject({
        state: 'failed',
        found: expect.stringContaining(`${user} may not create schemas`),
        remedy: expect.stringMatching(`GRANT CREATE ON DATABASE "mallbots_test_.*" TO "${user}"`),
      });
      expect(code).toBe(1);
    } finally {
      await db.database.query((orm) => orm.execute(`drop role ${user}`));
    }
  });

  it('tells a server that nobody runs from one that refuses', async () => {
    const away = await examine({ DATABASE_URL: 'postgres://postgres@127.0.0.1:1/x', AMQP_URL: 'amqp://127.0.0.1:1' });

    expect(away.of('PostgreSQL')).toMatchObject({
      found: expect.stringContaining('ECONNREFUSED'),
      remedy: expect.stringContaining('start PostgreSQL'),
    });
    expect(away.of('RabbitMQ')).toMatchObject({
      found: expect.stringContaining('ECONNREFUSED'),
      remedy: expect.stringContaining('start RabbitMQ'),
    });
    expect(away.code).toBe(1);
  });

  it.each([
    ['with /api/v3', true],
    ['with /api alone', false],
  ])('looks whether Jaeger answers %s, and whether it has orders', async (_, v3) => {
    await using jaeger = await startJaeger(otlp(story), { v3 });
    const { code, of } = await examine({ DATABASE_URL: db.url, JAEGER_URL: `${jaeger.url}/` });
    expect(of('Jaeger')).toMatchObject({
      state: 'ok',
      found: expect.stringMatching(/^has traces of \d services$/),
      remedy: '',
    });
    expect(code).toBe(0);

    await using empty = await startJaeger(otlp([]), { v3 });
    expect((await examine({ DATABASE_URL: db.url, JAEGER_URL: empty.url })).of('Jaeger')).toMatchObject({
      state: 'ok',
      found: 'answers, and has no trace of an order',
      remedy: expect.stringContaining('OTEL_EXPORTER_OTLP_ENDPOINT'),
    });
  });

  it('says of a Jaeger that is not there, or is something else, what to do', async () => {
    const remedy = expect.stringMatching(/start Jaeger .* or correct JAEGER_URL/);
    const away = await examine({ DATABASE_URL: db.url, JAEGER_URL: `http://127.0.0.1:${await freePort()}` });
    expect(away.of('Jaeger')).toMatchObject({
      state: 'failed',
      found: expect.stringContaining('ECONNREFUSED'),
      remedy,
    });
    expect(away.code).toBe(1);

    const page = createServer((_, response) => response.end('<!doctype html>'));
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
    const other = await examine({
      DATABASE_URL: db.url,
      JAEGER_URL: `http://127.0.0.1:${(page.address() as AddressInfo).port}`,
    });
    page.close();
    expect(other.of('Jaeger')).toMatchObject({
      found: '/api/services answers 200 with what is no list of services',
      remedy,
    });
    expect((await examine({ DATABASE_URL: db.url })).of('Jaeger')).toBeUndefined();
  });

  it.each([
    ['', 'application/x-protobuf'],
    ['http/json', 'application/json'],
  ])('gives a collector no span, in the encoding that roles export in (%s)', async (protocol, contentType) => {
    await using collector = await startOtlpReceiver();
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: protocol };
    const { of } = await examine({ DATABASE_URL: db.url, ...endpoint });

    expect(of('OTLP collector')).toMatchObject({ state: 'ok', found: 'takes traces' });
    expect(collector.requests).toEqual([{ path: '/v1/traces', contentType }]);
    expect(collector.spans()).toEqual([]);
  });

  it('asks all of them at once: none that is silent holds up the others', async () => {
    const asked: string[] = [];
    const silent = await Promise.all(
      ['PostgreSQL', 'RabbitMQ', 'OTLP collector', 'Jaeger'].map(async (what) => {
        const server = createSilentServer((socket) => {
          if (!asked.includes(what)) asked.push(what);
          socket
            .resume()
            .on('error', () => {})
            .on('close', () => asked.push('given up'));
        });
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        return { what, server, at: `127.0.0.1:${(server.address() as AddressInfo).port}` };
      }),
    );
    const [database, broker, collector, jaeger] = silent.map(({ at }) => at);
    const { code, of } = await examine({
      ...{ DATABASE_URL: `postgres://postgres@${database}/x`, AMQP_URL: `amqp://${broker}` },
      ...{ OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector}`, JAEGER_URL: `http://${jaeger}` },
    });

    expect(asked.slice(0, silent.length).toSorted()).toEqual(silent.map(({ what }) => what).toSorted());
    for (const { what } of silent)
      expect(of(what)).toMatchObject({ state: 'failed', remedy: expect.stringMatching(/./) });
    expect(code).toBe(1);
    for (const { server } of silent) server.close();
  });

  it('fits a terminal of 80 columns', async () => {
    const { stdout } = await new Program(['doctor'], { DATABASE_URL: db.url, AMQP_URL: '' }).ended;

    // Paths and URLs are as long as they are.
    const own = stdout.split('\n').filter((line) => !/Node|PostgreSQL|traces/.test(line));
    expect(own.filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^. hub {9}127\.0\.0\.1:\d+: /m);
  });
});

describeWithRabbitMq('mallbots doctor, with a RabbitMQ', () => {
  it('passes on what RabbitMQ refuses', async () => {
    const { of } = await examine({ AMQP_URL: Object.assign(new URL(amqpUrl), { password: 'wrong' }).href });

    expect(of('RabbitMQ')).toMatchObject({
      state: 'failed',
      found: expect.stringMatching(/^ACCESS_REFUSED/),
      remedy: 'correct AMQP_URL, or create what it names',
    });
  });
});

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DemoReport } from '../../src/demo/report.ts';
import { mallTimeoutMs, Program } from '../support/program.ts';
import { amqpUrl, databaseUrl, describeWithPostgres, describeWithRabbitMq } from '../support/services.ts';

const demo = async (...args: string[]) => {
  const { code, stdout, stderr } = await new Program(['demo', '--json', ...args]).ended;
  expect(code, stderr).toBe(0);
  // Nothing else on standard output.
  return { report: JSON.parse(stdout) as DemoReport, story: stderr };
};

const services = ['bot', 'depot', 'hub', 'kiosk', 'orders', 'payments', 'stores'];

describe('mallbots demo', { timeout: mallTimeoutMs }, () => {
  test('serves every shopper, embedded, and keeps every promise', async () => {
    const { report, story } = await demo('--orders', '12', '--bots', '4', '--seed', '7', '--time-scale', '100');

    expect(report.violations).toEqual([]);
    expect(report.orders).toEqual({ placed: 12, completed: 11, cancelled: 1 });
    expect(report.items.picked + report.items.short).toBe(report.items.ordered);
    expect(report.items.short).toBeGreaterThan(0);
    expect(report.money.currency).toBe('EUR');
    expect(report.money.paid - report.money.refunded).toBe(report.money.invoiced);
    expect(report.tasks).toMatchObject({ succeeded: 12, failed: 0 });
    expect(report.traces).toHaveLength(12);
    expect(new Set(report.traces.map(({ traceId }) => traceId)).size).toBe(12);
    for (const trace of report.traces) expect(trace.services).toEqual(expect.arrayContaining(services));
    expect(story).toMatch(/pays .*€/);
    expect(story).toMatch(/cannot find/);
    expect(story).toMatch(/hands .* order over/);
  });

  test('gets the goods of crashed bots back to their stores, and waits for that', async () => {
    const { report, story } = await demo(
      ...['--orders', '8', '--bots', '4', '--seed', '9', '--time-scale', '100'],
      ...['--crash-rate', '0.5', '--disconnect-rate', '0.2'],
    );

    expect(report.violations).toEqual([]);
    expect(report.orders.completed + report.orders.cancelled).toBe(8);
    expect(report.tasks.attempts).toBeGreaterThan(8);
    expect(report.returns.done).toBeGreaterThan(0);
    expect(report.returns.items.returned).toBeGreaterThan(0);
    expect(story).toMatch(/bot-\d +sets out to bring back what it had for/);
    expect(story).toMatch(/bot-\d +puts \d × .* back on the shelf/);
  });

  test('lets shoppers change their minds at every moment, and has their money and their goods back', async () => {
    const { report, story } = await demo(
      ...['--orders', '16', '--bots', '4', '--seed', '7', '--time-scale', '100', '--cancel-rate', '0.6'],
    );

    expect(report.violations).toEqual([]);
    expect(report.orders.completed + report.orders.cancelled).toBe(16);
    expect(report.orders.cancelled).toBeGreaterThan(4);
    expect(report.tasks.cancelled).toBeGreaterThan(0);
    expect(report.returns.done).toBeGreaterThan(0);
    expect(report.money.paid - report.money.refunded).toBe(report.money.invoiced);
    expect(story).toMatch(/wants no goods any more: changed my mind/);
    expect(story).toMatch(/cancels \w+'s order: changed my mind/);
  });

  test('draws the same mall and the same orders from the same seed', async () => {
    const again = () => demo('--orders', '5', '--bots', '2', '--seed', '11', '--time-scale', '500');
    const [one, other] = [await again(), await again()];

    expect(other.report.items).toEqual(one.report.items);
    expect(other.report.money.invoiced).toBe(one.report.money.invoiced);
  });

  test('tells it and sums it up for people, whatever ports another mall was given here', async () => {
    const others = { MALLBOTS_HUB_LISTEN: '192.0.2.1:1', MALLBOTS_KIOSK_ADDRESS: '192.0.2.1:1' };
    const { code, stdout } = await new Program(['demo', '--orders', '2', '--bots', '1', '--time-scale', '500'], others)
      .ended;

    expect(code).toBe(0);
    expect(stdout).toMatch(/orders {3}2 placed, 2 completed, 0 cancelled/);
    expect(stdout).toMatch(/checks {3}every promise kept/);
  });

  test('adds its traces, each whole, to the file that the environment names, for "mallbots trace"', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'demo-traces-'));
    try {
      const MALLBOTS_TRACE_FILE = join(directory, 'of', 'demos.jsonl');
      const environment = { MALLBOTS_TRACE_FILE, OTEL_TRACES_SAMPLER: 'always_off' };
      const demos = ['11', '12'].map(async (seed) => {
        const args = ['demo', '--orders', '1', '--bots', '1', '--time-scale', '500', '--seed', seed, '--json'];
        const { code, stdout, stderr } = await new Program(args, environment).ended;
        expect({ code, stderr }).toEqual({
          code: 0,
          stderr: expect.stringContaining(`leaves its traces in ${MALLBOTS_TRACE_FILE}`),
        });
        return (JSON.parse(stdout) as DemoReport).traces[0]!;
      });
      for (const { orderId, traceId } of await Promise.all(demos)) {
        const { code, stdout } = await new Program(['trace', orderId], environment).ended;
        expect(code).toBe(0);
        expect(stdout).toContain(`trace ${traceId}\n`);
        expect(stdout).toContain('bot shop task');
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('ends when it is interrupted, without an error and without leaving anything', async () => {
    const program = new Program(['demo', '--orders', '8', '--bots', '1', '--time-scale', '1', '--keep']);
    await program.line(/orders .* items for/);
    program.child.kill('SIGINT');
    await program.line(/stopping/);
    const { code, stderr } = await program.ended;

    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    const [, directory] = await program.line(/its database and (\S+) behind/);
    expect(existsSync(join(directory!, 'postgres/postmaster.pid'))).toBe(false);
    rmSync(directory!, { recursive: true });
  });

  test('says which server it cannot use, in one line, and leaves nothing behind', async () => {
    const made = () => readdirSync(tmpdir()).filter((name) => name.startsWith('mallbots_demo_'));
    const { code, stdout, stderr } = await new Program(['demo', '--amqp-url', 'amqp://guest:guest@127.0.0.1:1']).ended;

    expect(stderr).toMatch(/^error: RabbitMQ at amqp:\/\/guest@127.0.0.1:1 .*ECONNREFUSED.*$/);
    expect(stdout).toMatch(/demo .*cannot remove mallbots_demo_\w+ from the servers/);
    expect(code).toBe(5);
    expect(made().filter((name) => stdout.includes(name.split('-')[0]!))).toEqual([]);
  });

  test('names what is wrong with an option, and its remedy', async () => {
    const { code, stderr } = await new Program(['demo', '--orders', '0']).ended;

    expect(code).toBe(2);
    expect(stderr).toMatch(/--orders <n>.* '0' is invalid\. give a whole number from 1 to 200/);
  });
});

describeWithRabbitMq('mallbots demo on RabbitMQ', { timeout: mallTimeoutMs }, () => {
  describeWithPostgres('and PostgreSQL', () => {
    test('keeps every promise with each role in a process of its own', async () => {
      const { report } = await demo(
        ...['--orders', '12', '--bots', '4', '--seed', '7', '--time-scale', '100', '--processes'],
        ...['--database-url', databaseUrl, '--amqp-url', amqpUrl],
      );

      expect(report.violations).toEqual([]);
      expect(report.orders).toEqual({ placed: 12, completed: 11, cancelled: 1 });
      for (const trace of report.traces) expect(trace.services).toEqual(expect.arrayContaining(services));
    });
  });
});

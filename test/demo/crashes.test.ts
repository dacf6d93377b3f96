import { expect, test } from 'vitest';
import type { DemoReport } from '../../src/demo/report.ts';
import { roleNames } from '../../src/runtime/roles.ts';
import { mallTimeoutMs, Program } from '../support/program.ts';
import { amqpUrl, databaseUrl, describeWithPostgres, describeWithRabbitMq } from '../support/services.ts';

const startOf = (name: string) => new RegExp(`${name} +starts \\(pid (\\d+)\\)`);

/** Kills the process of `name` as `kill -9` does, and waits until its successor has started. */
async function killAndAwaitSuccessor(demo: Program, name: string): Promise<void> {
  const starts = demo.lines.flatMap((line) => startOf(name).exec(line)?.[1] ?? []);
  const from = demo.lines.length;
  process.kill(Number(starts.at(-1)), 'SIGKILL');
  await demo.line(startOf(name), from);
}

describeWithRabbitMq('a demo on RabbitMQ', { timeout: mallTimeoutMs }, () => {
  describeWithPostgres('and PostgreSQL', () => {
    test('keeps every promise while each role, either hub and a bot are killed once', async () => {
      const demo = new Program([
        ...['demo', '--json', '--orders', '40', '--bots', '8', '--seed', '3', '--time-scale', '20', '--processes'],
        ...['--hubs', '2'],
        ...['--database-url', databaseUrl, '--amqp-url', amqpUrl],
      ]);
      await demo.line(/picks/);

      const processes = roleNames.flatMap((name) => (name === 'hub' ? ['hub 1', 'hub 2'] : [name]));
      for (const name of [...processes, 'bots 2']) {
        const from = demo.lines.length;
        await killAndAwaitSuccessor(demo, name);
        // Between two kills the mall gets on.
        await demo.line(/picks|hands|puts|pays|sets out/, from);
      }

      const { code, stdout, stderr } = await demo.ended;
      const report = JSON.parse(stdout) as DemoReport;
      expect(report.violations, stderr).toEqual([]);
      expect(report.orders.completed + report.orders.cancelled).toBe(40);
      expect(code).toBe(0);
    });
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { DemoReport } from '../../src/demo/report.ts';
import { mallTimeoutMs, Program } from '../support/program.ts';
import { amqpUrl, databaseUrl, describeWithPostgres, describeWithRabbitMq } from '../support/services.ts';

/** The command of the README, and the story that it prints there. */
const [, command, printed] = /^```sh change\nnpx mallbots (.*)\n```\n\n```\n([^`]*)^```$/m.exec(
  readFileSync('README.md', 'utf8'),
)!;
/** A line of it without what is different each time. */
const told = (line: string): string =>
  line
    .replace(/^ *[\d.]+ s +/, '')
    .replace(/bot-\d+/, 'some bot')
    .replace(/inspected .*:/, 'inspected some store:')
    .replace(/(gate rejections): .*/, '$1')
    .replace(/ +/g, ' ');
const changing = [...command!.split(' '), '--json', '--time-scale', '40', '--timeout', '400'];
const onServers = ['--processes', '--database-url', databaseUrl, '--amqp-url', amqpUrl];

async function ended(demo: Program): Promise<{ report: DemoReport; story: string }> {
  const { code, stdout, stderr } = await demo.ended;
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  return { report: JSON.parse(stdout) as DemoReport, story: stderr };
}

/** What has to come out, whatever happens meanwhile. */
function expectChanged({ orders, violations, protocol }: DemoReport): void {
  expect(violations).toEqual([]);
  expect(orders.placed).toBeGreaterThanOrEqual(12);
  expect(orders.completed + orders.cancelled).toBe(orders.placed);
  expect(protocol!.revisions).toMatchObject([
    { kind: 'inspect', revision: 1, state: 'ACTIVE', tasks: 6 },
    { kind: 'return', revision: 1, state: 'ACTIVE' },
    { kind: 'shop', revision: 1, state: 'RETIRED' },
    { kind: 'shop', revision: 2, state: 'ACTIVE' },
    { kind: 'shop', revision: 3, state: 'ROLLED_BACK' },
  ]);
  const [, , first, second] = protocol!.revisions;
  for (const { tasks, reports } of [first!, second!]) {
    expect(tasks).toBeGreaterThan(0);
    expect(reports).toBeGreaterThan(tasks);
  }
  expect(protocol!.rollouts).toMatchObject([
    { kind: 'shop', revision: 2, percents: [10, 50, 100], outcome: 'PROMOTED', reason: 'every gate passed' },
    {
      kind: 'shop',
      revision: 3,
      outcome: 'ROLLED_BACK',
      reason: expect.stringMatching(/^gate rejections: \d+ of \d+/),
    },
  ]);
  expect(protocol!.refused).toMatchObject([
    {
      kind: 'shop',
      violations: [
        {
          rule: 'FIELD_TYPE_CHANGED',
          file: 'shop.proto',
          field: 'kinds.shop.v1.LineOutcome.picked',
          what: 'picked is string; it was uint32',
        },
      ],
    },
  ]);
  expect(protocol!.newField.reports).toBeGreaterThan(0);
  expect(protocol!.inspections).toMatchObject({ asked: 6, done: 6 });
  for (const result of protocol!.inspections.results) {
    expect(result).toMatchObject({ storeName: expect.stringMatching(/\w/), tidy: true });
    expect(result.walkedMetres).toBeGreaterThan(0);
  }
}

describe('mallbots demo --protocol-change', { timeout: 2 * mallTimeoutMs }, () => {
  test('changes what bots and hub say to each other while orders flow, embedded, and tells it', async () => {
    const { report, story } = await ended(new Program(changing));

    expectChanged(report);
    expect(report.bots).toBe(20);
    expect(report.protocol).not.toHaveProperty('hubKilledAtPercent');
    const lines = story.split('\n').map(told);
    let from = 0;
    for (const line of printed!.trimEnd().split('\n').map(told)) {
      const at = lines.indexOf(line, from);
      expect(at, `${line} in\n${lines.slice(from).join('\n')}`).toBeGreaterThanOrEqual(0);
      from = at + 1;
    }
    expect(lines.slice(from)).toContainEqual(expect.stringMatching(/hands .* order over/));
    expect(story).not.toMatch(/is gone/);
  });

  test('says what an option needs', async () => {
    const refused = async (...args: string[]) => {
      const { code, stderr } = await new Program(['demo', ...args]).ended;
      expect(code).toBe(2);
      return stderr;
    };
    expect(await refused('--protocol-change', '--bots', '4')).toMatch(/give --bots 10 or more/);
    expect(await refused('--protocol-change', '--kill-hub')).toMatch(/--kill-hub needs .*--processes/);
  });
});

describeWithRabbitMq('mallbots demo --protocol-change on RabbitMQ', { timeout: 2 * mallTimeoutMs }, () => {
  describeWithPostgres('and PostgreSQL', () => {
    test('does the same, and goes on at the same share when the only hub is killed in the middle of the ramp', async () => {
      const { report, story } = await ended(new Program([...changing, ...onServers, '--kill-hub']));
      expectChanged(report);
      expect(report.protocol!.hubKilledAtPercent).toBe(50);
      expect(story).toMatch(/hub +is gone \(SIGKILL\)/);
    });

    test('goes on with the other hub when one of two is killed', async () => {
      const { report } = await ended(new Program([...changing, ...onServers, '--hubs', '2', '--kill-hub']));
      expectChanged(report);
      expect(report.protocol!.hubKilledAtPercent).toBe(50);
    });
  });
});

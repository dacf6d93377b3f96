import { spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { criticalPathOf, type sharesOf } from '../../src/cli/trace-critical-path.ts';
import { formatUs } from '../../src/cli/trace-rows.ts';
import { waterfall } from '../../src/cli/trace-waterfall.ts';
import { type OtlpTraces, recordedSpans } from '../../src/telemetry/recorded-span.ts';
import { startJaeger } from '../support/jaeger.ts';
import {
  deskTrace,
  type Example,
  lookTrace,
  mainTrace,
  orderId,
  otlp,
  recorded,
  story,
  taskId,
  writeLines,
} from './recorded.ts';

const main = join(import.meta.dirname, '../../src/cli/mallbots.js');
let directory: string;
let file: string;

/** Staff look for an order; that leaves no link. */
const findPickup: Example = {
  ...{ id: '40', trace: 'd'.repeat(32), service: 'staff', name: 'staff.v1.Staff/FindPickup', kind: 'server' },
  ...{ at: [10_000, 10_010], attributes: { 'mallbots.order_id': orderId } },
};

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'trace-'));
  file = join(directory, 'traces.jsonl');
  const isOld = ({ id }: Example) => id < '08';
  writeLines(`${file}.1`, [otlp(story.filter(isOld))]);
  writeLines(file, [otlp(story.filter((span) => !isOld(span)))]);
  appendFileSync(file, '{"resourceSpans":[{"resource":{"attr');
});
afterAll(() => rmSync(directory, { recursive: true }));

async function mallbots(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  node: readonly string[] = [],
) {
  const env = { ...process.env, MALLBOTS_TRACE_FILE: file, JAEGER_URL: '', NO_COLOR: '', ...environment };
  const child = spawn(process.execPath, [...node, main, 'trace', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  return { stdout, stderr, code };
}

describe('the waterfall of an order', () => {
  test('is printed with offset, duration, who waited for what, and what failed; what is linked comes after it', async () => {
    const { stdout, code, stderr } = await mallbots(['6f1c2b11']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.split('\n').map((line) =>
      line
        .replace(/[█▏]+ */, '| ')
        .replace(/ +\|/, ' |')
        .trimEnd(),
    );
    expect(lines).toEqual([
      `order ${orderId}`,
      `trace ${mainTrace}`,
      '20 spans of 7 services, 20.0 s, 1 error',
      '',
      ' 0.0 ms   40 ms | kiosk POST /v1/orders',
      ' 5.0 ms   30 ms | ├ kiosk → orders PlaceOrder',
      '  50 ms   10 ms | │ └ orders → kiosk, depot orders.placed',
      '  55 ms   45 ms | │   └ depot process orders.placed  tried again once: the datab…',
      ' 350 ms   20 ms | │     └ depot → hub hub.tasks  waited 250 ms in the outbox',
      ' 2.37 s  1.0 ms | │       └ hub offer shop  waited 2.00 s for a bot',
      ' 2.38 s   10 ms | │         └ hub lease shop',
      ' 2.39 s  6.61 s | │           └ bot shop task',
      ' 2.40 s  3.60 s | │             ├ bot visit store',
      ' 4.00 s  1.90 s | │             │ └ bot pick item',
      ' 6.00 s  2.90 s | │             ├ bot walk to depot',
      ' 8.95 s   60 ms | │             └ hub result shop',
      ' 9.02 s   20 ms | │               └ hub → orders, stores bots.task_succeeded',
      ' 9.03 s   55 ms | │                 └ ✗ stores process bots.task_succeeded  no s…',
      '  60 ms  19.9 s | ├ kiosk GET /v1/orders/:orderId/events',
      ' 19.0 s  0.0 ms | └ staff link HandOver  leads to trace bbbbbbbb',
      '',
      'gap: at 100 ms nothing ran for 250 ms, until depot send depot.tasks:hub.tasks',
      'gap: at 370 ms nothing ran for 2.00 s, until hub offer shop',
      '',
      `trace ${deskTrace}, linked, 19.0 s after the order`,
      '2 spans of 2 services, 100 ms, no error',
      '',
      ' 0.0 ms  100 ms | staff HandOver',
      '  50 ms   10 ms | └ orders orders.completed',
      '',
      'linked, and changed nothing: 1 × GET /v1/orders/:orderId',
      '',
    ]);
  });

  test('has a row for each span with --all', async () => {
    const { stdout } = await mallbots([orderId, '--all']);
    expect(stdout).toContain('process orders.events:orders.placed:kiosk.inbox');
    expect(stdout.split('\n').filter((line) => /[█▏]/.test(line))).toHaveLength(story.length - 1);
  });

  test.each([
    ['the task', taskId],
    ['the end of the task', taskId.slice(-9)],
    ['the trace', mainTrace],
    ['the linked trace', deskTrace],
  ])('is found by %s', async (_, id) => {
    expect((await mallbots([id])).stdout).toBe((await mallbots([orderId])).stdout);
  });

  test.each([60, 80, 120, 200])('fits %i columns, with bars that begin where they belong', (width) => {
    const [main, desk] = [mainTrace, deskTrace].map((id) => recorded(story).filter(({ traceId }) => traceId === id));
    const lines = waterfall(
      { orderId, main: main!, linked: [desk!] },
      { width, unfolded: false, pageOf: () => undefined },
    ).map(stripVTControlCharacters);
    for (const line of lines.filter((line) => /[█▏]|^gap/.test(line))) expect(line.length).toBeLessThanOrEqual(width);
    const barOf = (what: string) => lines.find((line) => line.includes(what))!.slice(16);
    const chars = Math.min(40, Math.max(8, Math.floor(width / 5)));
    expect(barOf('bot shop task').indexOf('█')).toBe(Math.floor((2_390 / 20_000) * chars));
    expect(barOf('bot shop task').match(/█+/)?.[0].length).toBe(Math.round((6_610 / 20_000) * chars));
    expect(barOf('kiosk POST').startsWith('▏')).toBe(true);
  });

  test('shows spans whose parent was not recorded, and ends with what names itself its parent', () => {
    const examples: Example[] = [
      { id: '1', service: 'kiosk', name: 'POST /v1/orders', at: [0, 10] },
      { id: '2', parent: '99', service: 'bot', name: 'pick item', at: [3, 5] },
      { id: '3', parent: '3', service: 'hub', name: 'ring', at: [4, 5] },
    ];
    const lines = waterfall(
      { orderId: '', main: recorded(examples), linked: [] },
      { width: 120, unfolded: true, pageOf: () => undefined },
    );
    expect(lines.join('\n')).toContain('bot pick item  its parent was not recorded');
  });

  test('begins with the placing where the caller has a trace of their own, whatever looked at the order since', async () => {
    const outside = join(directory, 'outside.jsonl');
    const begun = story.map((span) => (span.id === '01' ? { ...span, parent: 'f0' } : span));
    writeLines(outside, [otlp([...begun, findPickup])]);
    const environment = { MALLBOTS_TRACE_FILE: outside };
    const [shown, path, list] = await Promise.all([
      mallbots([orderId], environment),
      mallbots([orderId, '--critical-path', '--json'], environment),
      mallbots(['--slowest', '10', '--json'], environment),
    ]);
    expect(shown.stdout).toMatch(new RegExp(`^order ${orderId}\ntrace ${mainTrace}\n20 spans of 7 services`));
    expect(shown.stdout).toContain('1 × staff.v1.Staff/FindPickup');
    expect(JSON.parse(path.stdout)).toMatchObject({ traceId: mainTrace, totalUs: 19_100_000 });
    expect(JSON.parse(list.stdout).orders).toMatchObject([{ traceId: mainTrace, durationUs: 19_100_000 }]);
  });

  test('says of a trace that was not sampled that only failures were kept', () => {
    const kept: Example[] = [
      {
        id: '2',
        parent: '1',
        service: 'hub',
        name: 'lose shop',
        at: [0, 1],
        error: 'expired',
        attributes: { 'mallbots.kept': true },
      },
    ];
    const lines = waterfall(
      { orderId: '', main: recorded(kept), linked: [] },
      { width: 120, unfolded: false, pageOf: () => undefined },
    );
    expect(lines.map(stripVTControlCharacters)).toContain('not sampled: only what failed or was parked is here');
  });

  test('is one OTLP document with --json, the spans of all its traces as they were exported', async () => {
    const { stdout } = await mallbots([orderId, '--json']);
    const document = JSON.parse(stdout) as OtlpTraces;
    const ids = (traces: OtlpTraces) =>
      recordedSpans(traces)
        .map(({ otlp, service }) => JSON.stringify([service, otlp]))
        .sort();
    expect(ids(document)).toEqual(ids(otlp(story)));
    expect(new Set(recordedSpans(document).map(({ traceId }) => traceId))).toEqual(
      new Set([mainTrace, deskTrace, lookTrace]),
    );
  });
});

describe('what the bots reported', () => {
  test('is told field by field, in the words of the revision that the bot spoke; what was cut off as it is', async () => {
    const { stdout } = await mallbots([orderId, '--reports']);
    expect(stdout.trimEnd().split('\n')).toEqual([
      ' 5.90 s  bot-7  shop revision 2  progress',
      '         itemPicked.quantity 2',
      '         itemPicked.giftNote for Ada',
      ' 9.00 s  bot-7  shop revision 2  result',
      '         {"lines":[{"picked":2},{"picked":0}],"walked',
    ]);
  });

  test('is JSON with digest, task and time for programs', async () => {
    const { stdout } = await mallbots([orderId, '--reports', '--json']);
    const about = { botId: 'bot-7', taskId, kind: 'shop', revision: 2, digest: 'sha256:2' };
    expect(JSON.parse(stdout)).toEqual({
      reports: [
        {
          ...{ at: '2026-01-02T03:04:10.900Z', what: 'progress', ...about },
          report: { itemPicked: { quantity: 2, giftNote: 'for Ada' } },
        },
        {
          ...{ at: '2026-01-02T03:04:14.000Z', what: 'result', ...about },
          report: '{"lines":[{"picked":2},{"picked":0}],"walked',
        },
      ],
    });
  });
});

describe('the critical path', () => {
  test('says where the time to the pickup went, and adds up to it', async () => {
    const { stdout } = await mallbots([orderId, '--critical-path', '--json']);
    const { shares, ...path } = JSON.parse(stdout);
    expect(path).toEqual({ orderId, traceId: mainTrace, until: 'pickup', totalUs: 19_100_000 });
    expect(shares.reduce((sum: number, { us }: { us: number }) => sum + us, 0)).toBe(19_100_000);
    const said = shares
      .slice(0, 6)
      .map(({ service, operation, waiting, us }: ReturnType<typeof sharesOf>[number]) => [
        `${service} ${waiting ? 'until ' : ''}${operation}`,
        us / 1_000,
      ]);
    expect(said).toEqual([
      ['staff until HandOver', 9_920],
      ['bot walk to depot', 2_900],
      ['hub until offer shop', 2_000],
      ['bot pick item', 1_900],
      ['bot visit store', 1_700],
      ['depot until hub.tasks', 250],
    ]);
  });

  test('is a table with the total in its last row', async () => {
    const { stdout } = await mallbots([orderId, '--critical-path']);
    expect(stdout).toMatch(/^19\.1 s from the order to its pickup\n/);
    expect(stdout).toMatch(/│ bot +│ walk to depot +│ 2\.90 s │ 15\.2 % +│ 1 /);
    expect(stdout).toMatch(/│ +│ in all +│ 19\.1 s │ 100\.0 % │ {7}│/);
  });

  test('ends with the last that happened where nobody picked the order up', () => {
    const early = recorded(story).filter(({ traceId }) => traceId === mainTrace);
    const { isPickedUp, startUs, endUs } = criticalPathOf({ orderId, main: early, linked: [] });
    expect([isPickedUp, (endUs - startUs) / 1_000]).toEqual([false, 9_080]);
  });

  test('is without a gap and without an overlap, whatever the spans are', () => {
    const kind = fc.constantFrom('internal', 'server', 'client', 'producer', 'consumer' as const);
    const any = fc.record({ parent: fc.nat(20), from: fc.nat(1_000), long: fc.nat(400), kind });
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 20 }), (drawn) => {
        const examples = drawn.map(({ parent, from, long, kind }, index): Example => {
          const more = index > 0 && parent < index + 2 ? { parent: String(parent) } : {};
          return {
            id: String(index),
            service: `s${index % 3}`,
            name: `n${index}`,
            kind,
            at: [from, from + long],
            ...more,
          };
        });
        const { startUs, endUs, segments } = criticalPathOf({ orderId, main: recorded(examples), linked: [] });
        let atUs = startUs;
        for (const segment of segments) {
          expect(segment.startUs).toBe(atUs);
          expect(segment.endUs).toBeGreaterThan(segment.startUs);
          atUs = segment.endUs;
        }
        expect(atUs).toBe(endUs);
      }),
    );
  });
});

describe('lists', () => {
  test('of the slowest orders count from placing to pickup', async () => {
    const { orders } = JSON.parse((await mallbots(['--slowest', '10', '--json'])).stdout);
    expect(orders).toEqual([
      {
        ...{ orderId, traceId: mainTrace, placedAt: '2026-01-02T03:04:05.000Z', durationUs: 19_100_000, spans: 22 },
        ...{ errors: 1, firstError: 'stores process bots.events:bots.task_succeeded:stores.inbox: no such product' },
      },
    ]);
  });

  test('of the slowest leave out what was only looked for', async () => {
    const looked = join(directory, 'looked.jsonl');
    writeLines(looked, [otlp([findPickup])]);
    expect((await mallbots(['--slowest', '10'], { MALLBOTS_TRACE_FILE: looked })).stdout).toBe(
      `no order in ${looked}\n`,
    );
  });

  test('of the failed orders have those of which only the failure was kept, and do not say when they were placed', async () => {
    const file = join(directory, 'kept.jsonl');
    const attributes = { 'mallbots.order_id': orderId, 'mallbots.kept': true };
    writeLines(file, [
      otlp([{ id: '2', parent: '1', service: 'hub', name: 'lose shop', at: [0, 1], attributes, error: 'gone' }]),
    ]);
    const { stdout } = await mallbots(['--failed', '--json'], { MALLBOTS_TRACE_FILE: file });
    expect(JSON.parse(stdout).orders).toEqual([
      {
        orderId,
        traceId: mainTrace,
        placedAt: null,
        durationUs: null,
        spans: 1,
        errors: 1,
        firstError: 'hub lose shop: gone',
      },
    ]);
    expect((await mallbots(['--failed'], { MALLBOTS_TRACE_FILE: file })).stdout).toMatch(
      /│ 1 +│ 1 +│ hub lose shop: gone/,
    );
  });

  test('of the failed orders name the first error', async () => {
    const { stdout } = await mallbots(['--failed']);
    expect(stdout).toContain(orderId);
    expect(stdout).toContain('stores process');
  });

  test('of the failed orders leave out answers that a caller did not want to hear', async () => {
    const refused = { 'rpc.status_code': 'NOT_FOUND', 'mallbots.order_id': orderId };
    const harmless = join(directory, 'harmless.jsonl');
    writeLines(harmless, [
      otlp([
        {
          id: '1',
          service: 'kiosk',
          name: 'GetInvoice',
          kind: 'client',
          at: [0, 1],
          attributes: refused,
          error: 'none',
        },
      ]),
    ]);
    expect((await mallbots(['--failed'], { MALLBOTS_TRACE_FILE: harmless })).stdout).toBe(
      `no order with an error in ${harmless}\n`,
    );
  });
});

describe('what cannot be done is said', () => {
  const nowhere = join(tmpdir(), 'no-such-traces.jsonl');
  test.each([
    ['an unknown order', ['abcdef012345'], {}, 3, /no trace with id "abcdef012345"/],
    ['too short an end', ['2b11'], {}, 2, /id is "2b11"; give the id of an order/],
    ['no id', [], {}, 2, /give the id of an order, a task or a trace, or --slowest or --failed/],
    ['a page without a Jaeger', [orderId, '--open'], {}, 2, /--open needs JAEGER_URL/],
    [
      'a file that is not there',
      [orderId],
      { MALLBOTS_TRACE_FILE: nowhere },
      4,
      /no trace file .*no-such-traces.jsonl; start a mall/,
    ],
    [
      'a collector and no Jaeger',
      [orderId],
      { MALLBOTS_TRACE_FILE: '', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' },
      4,
      /set JAEGER_URL/,
    ],
    [
      'a Jaeger that is not there',
      [orderId],
      { JAEGER_URL: 'http://127.0.0.1:9999' },
      5,
      /Jaeger does not answer at http:\/\/127\.0\.0\.1:9999/,
    ],
  ])('%s', async (_, args, environment, code, message) => {
    const { stdout, stderr, ...ended } = await mallbots(args, environment as Record<string, string>);
    expect(ended.code).toBe(code);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
  });

  test('an end that several have', async () => {
    const twice = join(directory, 'twice.jsonl');
    const ids = ['1', '2'].map((digit) => `0199c1f0-7c1e-7d0a-8a52-0d6f6${digit}1c2b11`);
    const spans = ids.map(
      (id, index): Example => ({
        ...{
          id: String(index),
          trace: String(index).repeat(32),
          service: 'kiosk',
          name: 'POST /v1/orders',
          at: [0, 1],
        },
        attributes: { 'mallbots.order_id': id },
      }),
    );
    writeLines(twice, [otlp(spans)]);
    const { stderr, code } = await mallbots(['1c2b11'], { MALLBOTS_TRACE_FILE: twice });
    expect(code).toBe(2);
    expect(stderr).toMatch(new RegExp(`several end so, give more of one: ${ids.join(', ')}`));
  });
});

test('--open prints the page in Jaeger and hands it to what opens pages', async () => {
  const opened = join(directory, 'opened');
  const bin = mkdtempSync(join(directory, 'bin-'));
  for (const name of ['xdg-open', 'open']) {
    writeFileSync(join(bin, name), `#!/bin/sh\necho "$1" > '${opened}'\n`);
    chmodSync(join(bin, name), 0o755);
  }
  await using double = await startJaeger(otlp(story), { v3: true });
  const { url } = double;
  const { stdout, stderr } = await mallbots([orderId, '--open'], {
    JAEGER_URL: `${url}/`,
    PATH: `${bin}${delimiter}${process.env.PATH}`,
  });
  expect(stderr).toBe('');
  expect(stdout).toBe(`${url}/trace/${mainTrace}\n`);
  await expect.poll(() => readFileSync(opened, { encoding: 'utf8', flag: 'a+' })).toBe(`${url}/trace/${mainTrace}\n`);
});

test('a file that is larger than the memory is read', async () => {
  const large = join(directory, 'large.jsonl');
  const descriptor = openSync(large, 'w');
  const others = (n: number): Example[] =>
    Array.from({ length: 400 }, (_, index) => ({
      ...{
        id: String(index),
        trace: String(n).padStart(32, 'd'),
        service: 'depot',
        name: 'x'.repeat(500),
        at: [n, n + 1],
      },
      attributes: { 'mallbots.order_id': `0199c1f0-7c1e-7d0a-8a52-${String(n).padStart(12, '0')}` },
    }));
  for (let n = 0; n < 200; n += 1) {
    writeSync(descriptor, `${JSON.stringify(otlp(n === 100 ? story : others(n)))}\n`);
  }
  const heap = ['--max-old-space-size=64'];
  const [one, list] = [
    await mallbots([orderId], { MALLBOTS_TRACE_FILE: large }, heap),
    await mallbots(['--slowest', '1', '--json'], { MALLBOTS_TRACE_FILE: large }, heap),
  ];
  expect(one.stdout).toContain(`trace ${mainTrace}`);
  expect(JSON.parse(list.stdout).orders).toMatchObject([{ orderId }]);
});

test.each([
  [0, '0.0 ms'],
  [9_949, '9.9 ms'],
  [9_950, '10 ms'],
  [999_499, '999 ms'],
  [999_500, '1.00 s'],
  [9_994_000, '9.99 s'],
  [9_996_000, '10.0 s'],
  [99_940_000, '99.9 s'],
  [99_960_000, '1m 40s'],
  [5_999_000_000, '99m 59s'],
  [6_000_000_000, '1h 40m'],
])('%i us are %s', (us, said) => {
  expect(formatUs(us)).toBe(said);
  expect(said.length).toBeLessThanOrEqual(7);
});

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DemoReport } from '../../src/demo/report.ts';
import type { ReceivedSpan } from '../support/otlp-decode.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { mallTimeoutMs, Program } from '../support/program.ts';

const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
interface Form {
  readonly what: string;
  readonly name: RegExp;
  readonly kind: keyof typeof kinds;
  readonly required: readonly string[];
  /** A demo need not have one. */
  readonly rare?: boolean;
}

const order = ['mallbots.order_id', 'mallbots.correlation_id'];
const task = [...order, 'mallbots.task_id', 'mallbots.bot_id', 'mallbots.fence'];
/** What a bot said about a task that the hub does not know has no order. */
const reported = ['mallbots.task_id', 'mallbots.bot_id', 'mallbots.fence'];
const messaging = [
  ...['messaging.system.name', 'messaging.operation.name', 'messaging.operation.type', 'messaging.destination.name'],
  ...[
    'messaging.message.id',
    'messaging.message.conversation_id',
    'rabbitmq.destination.routing_key',
    'mallbots.correlation_id',
  ],
];
const rpc = ['rpc.system.name', 'rpc.method', 'rpc.status_code'];
const http = ['http.request.method', 'http.route', 'url.path', 'url.scheme', 'server.address', 'server.port'];
const methodName = /^[a-z]+\.v\d+\.\w+\/\w+$/;

/** Every span there is, in the conventions' words where they have some (HTTP, RPC, messaging), else in ours: a verb and what it is done to. */
const forms: readonly Form[] = [
  { what: 'a request over HTTP', name: /^(GET|POST|PUT|DELETE) \/[\w/:.]+$/, kind: 'server', required: http },
  { what: 'a call, from the service', name: methodName, kind: 'server', required: rpc },
  {
    what: 'a call, from its client',
    name: methodName,
    kind: 'client',
    required: [...rpc, 'server.address', 'server.port'],
  },
  { what: 'a message that is sent', name: /^send [a-z.]+:[a-z_.]+$/, kind: 'producer', required: messaging },
  {
    what: 'a message that is processed',
    name: /^process [a-z.]+:[a-z_.]+(:[a-z.]+)?$/,
    kind: 'consumer',
    required: messaging,
  },
  { what: 'an offer', name: /^offer [a-z]+$/, kind: 'producer', required: task },
  {
    what: 'a step of the hub',
    name: /^(lease|decline|result|cancel)( [a-z]+)?$/,
    kind: 'internal',
    required: reported,
  },
  { what: 'a lost lease', name: /^lose [a-z]+$/, kind: 'internal', required: [...task, 'error.type'], rare: true },
  { what: "a bot's task", name: /^[a-z]+ task$/, kind: 'consumer', required: [...task, 'mallbots.attempt'] },
  { what: "a bot's step", name: /^(visit|pick|return|walk to|collect) [a-z]+$/, kind: 'internal', required: task },
  {
    what: 'the beginning of a trace of its own',
    name: /^request [a-z]+$/,
    kind: 'internal',
    required: order,
    rare: true,
  },
  { what: 'a link to a later trace', name: /^link \S.*$/, kind: 'internal', required: order },
  { what: 'somebody at the desk', name: /^(pickup|payment at the desk)$/, kind: 'internal', required: order },
  {
    what: 'a deadline of a cancellation',
    name: /^cancellation overdue$/,
    kind: 'internal',
    required: order,
    rare: true,
  },
];
const formsOf = ({ name, kind }: ReceivedSpan) =>
  forms.filter((form) => form.name.test(name) && kinds[form.kind] === kind);

/** Attributes that the installed conventions know and have not replaced. */
const entryPoint = fileURLToPath(import.meta.resolve('@opentelemetry/semantic-conventions/incubating'));
const declarations = ['stable_attributes', 'experimental_attributes'].map((file) =>
  readFileSync(new URL(`${file}.d.mts`, `file://${entryPoint}`), 'utf8'),
);
const deprecated = new Set(
  declarations.flatMap((text) =>
    [...text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*declare const (ATTR_\w+)/g)].flatMap(([, comment, name]) =>
      comment!.includes('@deprecated') ? [name!] : [],
    ),
  ),
);
const standard = new Set<string>(
  Object.entries(conventions).flatMap(([name, value]) =>
    name.startsWith('ATTR_') && typeof value === 'string' && !deprecated.has(name) ? [value] : [],
  ),
);

describe('the spans of a demo with crashes and cancellations', { timeout: mallTimeoutMs }, () => {
  let collector: OtlpReceiver;
  let spans: readonly ReceivedSpan[];
  beforeAll(async () => {
    collector = await startOtlpReceiver();
    const size = ['--orders', '8', '--bots', '4', '--seed', '9', '--time-scale', '100'];
    const rates = ['--crash-rate', '0.4', '--cancel-rate', '0.3'];
    const demo = new Program(['demo', '--json', ...size, ...rates], {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    });
    const { stdout, stderr } = await demo.ended;
    expect((JSON.parse(stdout) as DemoReport).violations, stderr).toEqual([]);
    spans = collector.spans();
  }, mallTimeoutMs);
  afterAll(() => collector[Symbol.asyncDispose]());

  test('are each of one form, by name and kind', () => {
    const odd = spans.filter((span) => formsOf(span).length !== 1);
    expect(odd.map(({ service, name, kind }) => `${service}: ${name} (${kind})`)).toEqual([]);
    expect(
      forms.filter((form) => !form.rare && !spans.some((span) => formsOf(span).includes(form))).map(({ what }) => what),
    ).toEqual([]);
  });

  test('have the attributes that their form asks for', () => {
    const lacking = spans.flatMap((span) =>
      formsOf(span).flatMap(({ required }) => {
        const missing = required.filter((key) => span.attributes[key] === undefined || span.attributes[key] === '');
        return missing.length > 0 ? [`${span.service}: ${span.name} has no ${missing.join(', ')}`] : [];
      }),
    );
    expect(lacking).toEqual([]);
  });

  test('have no attribute but those of the conventions and our own', () => {
    expect(standard.size).toBeGreaterThan(300);
    expect(deprecated).toContain('ATTR_MESSAGING_OPERATION');
    const keys = new Set(spans.flatMap(({ attributes }) => Object.keys(attributes)));
    expect([...keys].filter((key) => !standard.has(key) && !/^mallbots\.[a-z_]+$/.test(key))).toEqual([]);
  });

  test('say by the conventions what failed and how', () => {
    for (const { name, kind, statusCode, attributes } of spans) {
      if (attributes['error.type'] !== undefined) expect(statusCode, name).toBe(2);
      if (kind === kinds.client && attributes['rpc.status_code'] !== 'OK')
        expect(attributes['error.type'], name).toBe(attributes['rpc.status_code']);
      // A caller that hangs up before there is an answer gets none.
      if (attributes['http.route'] !== undefined && attributes['error.type'] !== 'hung_up')
        expect(attributes['http.response.status_code'], name).toBeDefined();
      if (kind === kinds.server && Number(attributes['http.response.status_code'] ?? 0) >= 500)
        expect(statusCode, name).toBe(2);
    }
  });
});

import { join } from 'node:path';
import { z } from 'zod';
import { logLevels } from './telemetry/logger.ts';
import { defaultMaxFileBytes, otlpProtocols, samplerNames } from './telemetry/settings.ts';

/** Every role that listens, and its port. */
export const ports = {
  hub: 7001,
  orders: 7002,
  stores: 7003,
  payments: 7004,
  depot: 7005,
  staff: 7006,
  analytics: 7007,
  kiosk: 7080,
} as const;
export type ListeningRole = keyof typeof ports;
export const listeningRoles = Object.keys(ports) as ListeningRole[];

/** Where roles listen: each at its port, and the kiosk at another one for staff, so that they ask it nothing where shoppers can. */
export const endpoints = { ...ports, kioskGrpc: 7008 } as const;
export type Endpoint = keyof typeof endpoints;
export const endpointNames = Object.keys(endpoints) as Endpoint[];
/** Who listens there. */
export const roleAt = (endpoint: Endpoint): ListeningRole => (endpoint === 'kioskGrpc' ? 'kiosk' : endpoint);

const upperSnake = (name: string): string => name.replace(/[A-Z]/g, '_$&').toUpperCase();
/** `MALLBOTS_KIOSK_GRPC_LISTEN`: where it is at, and where others find it. */
export const endpointVariable = (endpoint: Endpoint, use: 'LISTEN' | 'ADDRESS'): string =>
  `MALLBOTS_${upperSnake(endpoint)}_${use}`;

/** Until a credential names a bot, nothing listens to the outside unless told to. */
const defaultHost = '127.0.0.1';

/** Between two exports of metrics, ms: the standard's default to a collector; to a file so often that who looks sees what happens now. */
const defaultMetricIntervalMs = { collector: 60_000, file: 10_000 } as const;

export type Config = Readonly<Required<z.infer<typeof schema>>> & {
  /** `host:port` that a role listens on. */
  readonly listen: Readonly<Record<Endpoint, string>>;
  /** `host:port` that others reach it at. */
  readonly address: Readonly<Record<Endpoint, string>>;
};

const maxPort = 65_535;
/** Whether `text` is `host:port`. */
export const isHostPort = (text: string): boolean =>
  /^[^\s:/]+:\d{1,5}$/.test(text) && Number(text.slice(text.lastIndexOf(':') + 1)) <= maxPort;
const url = (protocol: RegExp, example: string) => z.url({ protocol, error: `give a URL such as ${example}` });

const variables = {
  databaseUrl: 'DATABASE_URL',
  amqpUrl: 'AMQP_URL',
  namespace: 'MALLBOTS_NAMESPACE',
  dataDirectory: 'MALLBOTS_DATA',
  otlpEndpoint: 'OTEL_EXPORTER_OTLP_ENDPOINT',
  otlpProtocol: 'OTEL_EXPORTER_OTLP_PROTOCOL',
  traceFile: 'MALLBOTS_TRACE_FILE',
  traceFileMaxBytes: 'MALLBOTS_TRACE_FILE_MAX_BYTES',
  sampler: 'OTEL_TRACES_SAMPLER',
  samplerRatio: 'OTEL_TRACES_SAMPLER_ARG',
  metricsFile: 'MALLBOTS_METRICS_FILE',
  metricIntervalMs: 'OTEL_METRIC_EXPORT_INTERVAL',
  jaegerUrl: 'JAEGER_URL',
  logLevel: 'MALLBOTS_LOG_LEVEL',
  hubLeaseMs: 'MALLBOTS_HUB_LEASE_MS',
} as const;

/** `maxStreams` of the hub's limits is `MALLBOTS_HUB_MAX_STREAMS`. */
const hubVariable = (limit: string) => `MALLBOTS_HUB_${upperSnake(limit)}`;
const variableOf = ([key, limit]: readonly PropertyKey[]) =>
  key === 'hubLimits' ? hubVariable(String(limit)) : variables[key as keyof typeof variables];

const whole = (least: number, most: number, unit: string) => {
  const range = `give ${least} to ${most} ${unit}`;
  return z.coerce.number(range).int(range).min(least, range).max(most, range);
};

/** What one hub takes: the range of each limit. Its default, with the reason, is in `src/hub/limits.ts`. */
const hubLimits = {
  maxStreams: whole(1, 1_000_000, 'streams'),
  maxConnections: whole(1, 1_000_000, 'connections'),
  maxConnectionsPerAddress: whole(1, 1_000_000, 'connections'),
  maxStreamsPerConnection: whole(1, 1_000_000, 'streams'),
  bytesPerSecond: whole(16_384, 1_073_741_824, 'bytes a second'),
  controlFramesPerSecond: whole(1, 100_000, 'frames a second'),
  resetsPerSecond: whole(1, 100_000, 'streams a second'),
  maxFrameBytes: whole(16_384, 16_777_216, 'bytes'),
  maxUnacknowledged: whole(1, 65_536, 'frames'),
  maxQueuedFrames: whole(16, 65_536, 'frames'),
  maxQueuedBytes: whole(16_384, 1_073_741_824, 'bytes'),
  maxUnsentFrames: whole(16, 16_777_216, 'frames'),
  maxUnsentBytes: whole(16_384, 17_179_869_184, 'bytes'),
  framesPerSecond: whole(1, 1_000_000, 'frames a second'),
  refusalsPerSecond: whole(1, 1_000_000, 'frames a second'),
  maxWaitingFrames: whole(16, 16_777_216, 'frames'),
  maxWaitingBytes: whole(1_048_576, 17_179_869_184, 'bytes'),
  helloDeadlineMs: whole(100, 600_000, 'milliseconds'),
  keepaliveMs: whole(100, 600_000, 'milliseconds'),
};

const schema = z.object({
  /** Empty: the program starts its own PostgreSQL. */
  databaseUrl: url(/^postgres(ql)?$/, 'postgres://user@host:5432/mallbots')
    .or(z.literal(''))
    .default(''),
  /** Empty: the broker is in this process. */
  amqpUrl: url(/^amqps?$/, 'amqp://user:password@host:5672')
    .or(z.literal(''))
    .default(''),
  /** Prefix of every AMQP name, so that several malls share a broker. */
  namespace: z
    .string()
    .regex(/^[a-z0-9_-]*$/, 'use a-z, 0-9, _ and - only')
    .default(''),
  dataDirectory: z.string().min(1).default('.mallbots'),
  otlpEndpoint: url(/^https?$/, 'http://127.0.0.1:4318')
    .or(z.literal(''))
    .default(''),
  otlpProtocol: z
    .enum(otlpProtocols, `give ${otlpProtocols.join(' or ')}, in which a collector takes OTLP over HTTP, at port 4318`)
    .default('http/protobuf'),
  /** Where traces go as OTLP JSON lines; by default into the data directory where no OTLP endpoint is given. */
  traceFile: z.string().optional(),
  /** Of that file and its older part, which is dropped. */
  traceFileMaxBytes: whole(1_048_576, 1_099_511_627_776, 'bytes').default(defaultMaxFileBytes),
  /** Which traces are exported whole; what has failed always is. */
  sampler: z.enum(samplerNames, `give one of ${samplerNames.join(', ')}`).default('parentbased_always_on'),
  /** For the samplers that take a share of the traces. */
  samplerRatio: z.coerce
    .number('give a share from 0 to 1')
    .min(0, 'give a share from 0 to 1')
    .max(1, 'give a share from 0 to 1')
    .default(1),
  /** As `traceFile`, for metrics. */
  metricsFile: z.string().optional(),
  /** Shorter than 100 ms, collecting would cost more than what is measured. */
  metricIntervalMs: whole(100, 3_600_000, 'milliseconds').optional(),
  /** Where traces are looked up; empty: in the local file. */
  jaegerUrl: url(/^https?$/, 'http://127.0.0.1:16686')
    .or(z.literal(''))
    .default(''),
  logLevel: z.enum(logLevels, `give one of ${logLevels.join(', ')}`).default('info'),
  /** How long a bot keeps its tasks without a heartbeat; the other times of the hub follow from it. Shorter than 500 ms, a busy machine loses leases. */
  hubLeaseMs: whole(500, 600_000, 'milliseconds').default(10_000),
  hubLimits: z.object(hubLimits).partial().readonly(),
});

export type Environment = Readonly<Record<string, string | undefined>>;

/** The process's own environment; nothing else reads it. */
export const hostEnvironment: Environment = process.env;

export class ConfigError extends Error {}

/** Also of what is no URL: a mistyped one is printed, and its password is nobody's business. */
const withoutPassword = (text = ''): string => text.replace(/:[^:@/]+@/, ':…@');

/**
 * The environment as a frozen, typed object: the variables above, `MALLBOTS_HUB_<LIMIT>` for each of `hubLimits`, and of every endpoint those of `endpointVariable`.
 * @throws ConfigError with one message that lists every mistake
 */
export function readConfig(environment: Environment = hostEnvironment): Config {
  const mistakes: string[] = [];
  const given = (names: ReadonlyArray<readonly [string, string]>) =>
    Object.fromEntries(names.flatMap(([key, name]) => (environment[name] ? [[key, environment[name]]] : [])));
  const limits = Object.keys(hubLimits).map((limit) => [limit, hubVariable(limit)] as const);
  const parsed = schema.safeParse({ ...given(Object.entries(variables)), hubLimits: given(limits) });
  for (const issue of parsed.error?.issues ?? []) {
    const name = variableOf(issue.path);
    mistakes.push(`${name} is "${withoutPassword(environment[name])}": ${issue.message}`);
  }
  const hostPort = (endpoint: Endpoint, use: 'LISTEN' | 'ADDRESS', fallback: string): string => {
    const name = endpointVariable(endpoint, use);
    const given = environment[name];
    if (given && !isHostPort(given)) mistakes.push(`${name} is "${given}": give host:port, for example 127.0.0.1:7001`);
    return given || fallback;
  };
  const ofEach = (of: (endpoint: Endpoint) => string) =>
    Object.freeze(Object.fromEntries(endpointNames.map((name) => [name, of(name)])) as Record<Endpoint, string>);
  const listen = ofEach((name) => hostPort(name, 'LISTEN', `${defaultHost}:${endpoints[name]}`));
  const address = ofEach((name) => hostPort(name, 'ADDRESS', listen[name].replace(/^0\.0\.0\.0:/, `${defaultHost}:`)));
  if (!parsed.success || mistakes.length > 0) {
    throw new ConfigError(`the configuration has mistakes:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`);
  }
  const { otlpEndpoint, dataDirectory } = parsed.data;
  const fileIn = (name: string) => (otlpEndpoint ? '' : join(dataDirectory, name));
  const {
    traceFile = fileIn('traces.jsonl'),
    metricsFile = fileIn('metrics.jsonl'),
    metricIntervalMs = defaultMetricIntervalMs[otlpEndpoint ? 'collector' : 'file'],
  } = parsed.data;
  return Object.freeze({ ...parsed.data, traceFile, metricsFile, metricIntervalMs, listen, address });
}

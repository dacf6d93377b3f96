import { Command } from 'commander';
import { connectRabbitMq } from '../broker/rabbitmq.ts';
import { type Config, type Endpoint, endpointNames, readConfig, roleAt } from '../config.ts';
import { MallError } from '../contract/errors.ts';
import { describeInstallation } from '../database/embedded-place.ts';
import { connectDatabase } from '../database/postgres.ts';
import { withDeadline } from '../kit/deadline.ts';
import { rootMessage } from '../kit/root-message.ts';
import { withoutPassword } from '../runtime/backends.ts';
import { checkHealth } from '../runtime/health.ts';
import { createLogger } from '../telemetry/logger.ts';
import { coloured, writeJson, writeLine } from './output.ts';

/** What one look may take: a doctor that hangs is no help. */
const lookTimeoutMs = 3_000;

interface Finding {
  readonly what: string;
  readonly where: string;
  /** `absent` is no fault: nobody asked for it, or it just does not run. */
  readonly state: 'ok' | 'absent' | 'failed';
  /** Version when ok, else the reason. */
  readonly found: string;
  readonly remedy: string;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what is reachable, which version it is, what is missing and what to do')
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', '\nExits with 1 when something that is configured does not work.')
    .action(async ({ json }: { json?: boolean }) => {
      const findings = await examine(readConfig());
      if (json) writeJson({ findings });
      else print(findings);
      if (findings.some(({ state }) => state === 'failed')) process.exitCode = 1;
    });
}

/** Side by side: what does not answer takes its time once, not each after the other. */
const examine = (config: Config): Promise<Finding[]> =>
  Promise.all([
    node(),
    database(config),
    broker(config),
    collector(config),
    ...(config.jaegerUrl ? [jaeger(config.jaegerUrl)] : []),
    ...endpointNames.map((each) => health(each, config.address[each])),
  ]);

const node = (): Finding => ({
  what: 'Node',
  where: process.execPath,
  state: 'ok',
  found: process.version,
  remedy: '',
});

async function look(what: string, where: string, remedy: string, ask: () => Promise<string>): Promise<Finding> {
  try {
    return { what, where, state: 'ok', found: await withDeadline(what, lookTimeoutMs, ask()), remedy: '' };
  } catch (error) {
    // Who refuses knows better what to do than whoever only does not answer.
    const own = error instanceof MallError && error.code !== 'UNAVAILABLE' ? error.detail.remedy : '';
    return { what, where, state: 'failed', found: rootMessage(error), remedy: own || remedy };
  }
}

/** PostgreSQL and RabbitMQ as old as these are tested with; older ones lack what the program uses. */
const oldestPostgres = 15;
const oldestRabbitMq = [3, 10] as const;

async function database({ databaseUrl, dataDirectory }: Config): Promise<Finding> {
  if (!databaseUrl) {
    const remedy = `set DATABASE_URL to a PostgreSQL ${oldestPostgres} or newer`;
    return look('PostgreSQL', `embedded, in ${dataDirectory}`, remedy, async () => describeInstallation());
  }
  const logger = createLogger('doctor', 'silent');
  const connection = connectDatabase({ url: databaseUrl, poolSize: 1, applicationName: 'mallbots doctor', logger });
  const remedy = `start PostgreSQL ${oldestPostgres} or newer, or correct DATABASE_URL`;
  try {
    const found = await look('PostgreSQL', connection.address, remedy, async () => {
      const { version } = await connection.ping();
      if (Number.parseInt(version, 10) < oldestPostgres) throw new Error(`${version} is too old`);
      return version;
    });
    if (found.state !== 'ok') return found;
    const [row] = await connection.query((orm) => orm.execute<Rights>(rights));
    if (row!.create) return found;
    const grant = `GRANT CREATE ON DATABASE "${row!.database}" TO "${row!.user}"`;
    return {
      ...found,
      state: 'failed',
      found: `${found.found}, but ${row!.user} may not create schemas`,
      remedy: grant,
    };
  } finally {
    await connection.close();
  }
}

type Rights = { database: string; user: string; create: boolean };
const rights = `select current_database() as database, current_user as user, has_database_privilege(current_database(), 'create') as create`;

async function broker({ amqpUrl, namespace }: Config): Promise<Finding> {
  if (!amqpUrl) return { what: 'RabbitMQ', where: 'in process', state: 'ok', found: 'embedded broker', remedy: '' };
  const logger = createLogger('doctor', 'silent');
  const remedy = `start RabbitMQ ${oldestRabbitMq.join('.')} or newer, or correct AMQP_URL`;
  return look('RabbitMQ', withoutPassword(amqpUrl), remedy, async () => {
    // Gives up before the look does: then the reason is known.
    const connection = await connectRabbitMq({
      url: amqpUrl,
      namespace,
      logger,
      connectDeadlineMs: lookTimeoutMs / 2,
    });
    try {
      const { version } = await connection.ping();
      const [major = 0, minor = 0] = version.split('.').map(Number);
      if (major * 1_000 + minor < oldestRabbitMq[0] * 1_000 + oldestRabbitMq[1])
        throw new Error(`${version} is too old`);
      return version;
    } finally {
      await connection.close();
    }
  });
}

/** A request to export no span. */
const nothingIn = {
  'http/protobuf': { headers: { 'content-type': 'application/x-protobuf' }, body: new Uint8Array() },
  'http/json': { headers: { 'content-type': 'application/json' }, body: '{"resourceSpans":[]}' },
};

async function collector({ otlpEndpoint, otlpProtocol, traceFile }: Config): Promise<Finding> {
  if (!otlpEndpoint)
    return { what: 'traces', where: traceFile, state: 'ok', found: 'local OTLP JSON file', remedy: '' };
  const remedy = 'start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT';
  return look('OTLP collector', otlpEndpoint, remedy, async () => {
    const response = await fetch(`${otlpEndpoint.replace(/\/$/, '')}/v1/traces`, {
      method: 'POST',
      ...nothingIn[otlpProtocol],
      // A request that waits for its answer keeps the process from ending.
      signal: AbortSignal.timeout(lookTimeoutMs),
    });
    if (!response.ok) throw new Error(`answers ${response.status}`);
    return 'takes traces';
  });
}

/** Its page answers everything else that is asked, so only what its query API says counts. */
async function jaeger(jaegerUrl: string): Promise<Finding> {
  const remedy =
    'start Jaeger ("docker compose up jaeger"), or correct JAEGER_URL; without it traces are read from the local file';
  const finding = await look('Jaeger', jaegerUrl, remedy, async () => {
    const services = await tracedServices(jaegerUrl.replace(/\/$/, ''));
    return services.includes('kiosk') ? `has traces of ${services.length} services` : noOrders;
  });
  return finding.found === noOrders
    ? { ...finding, remedy: 'give the roles its collector: OTEL_EXPORTER_OTLP_ENDPOINT' }
    : finding;
}

const noOrders = 'answers, and has no trace of an order';

/** Both of the APIs that `mallbots trace` reads. */
async function tracedServices(url: string): Promise<readonly string[]> {
  let answer = '';
  for (const path of ['/api/v3/services', '/api/services']) {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(lookTimeoutMs) });
    const names = response.ok ? namesIn(await response.text()) : undefined;
    if (names) return names;
    answer = `${path} answers ${response.status}${response.ok ? ' with what is no list of services' : ''}`;
  }
  throw new Error(answer);
}

function namesIn(text: string): readonly string[] | undefined {
  try {
    const { services, data } = JSON.parse(text) as { services?: unknown; data?: unknown };
    const names = services ?? data;
    // Where there are none, it says null.
    if (names === null) return [];
    return Array.isArray(names) ? names : undefined;
  } catch {
    return undefined;
  }
}

async function health(endpoint: Endpoint, address: string): Promise<Finding> {
  const role = roleAt(endpoint);
  const finding = await look(endpoint === role ? role : `${role} gRPC`, address, '', async () => {
    await checkHealth(endpoint, address);
    return 'serving';
  });
  return finding.state === 'ok'
    ? finding
    : { ...finding, state: 'absent', found: 'not running', remedy: `"mallbots ${role}", or "mallbots up" for all` };
}

/** One line for each, and what to do below it. */
function print(findings: readonly Finding[]): void {
  const mark = { ok: coloured('green', '✓'), absent: coloured('dim', '·'), failed: coloured('red', '✗') };
  const width = Math.max(...findings.map(({ what }) => what.length));
  for (const { state, what, where, found, remedy } of findings) {
    writeLine(`${mark[state]} ${what.padEnd(width)}  ${where}: ${found}`);
    if (remedy) writeLine(`${' '.repeat(width + 4)}${coloured('dim', '→')} ${remedy}`);
  }
}

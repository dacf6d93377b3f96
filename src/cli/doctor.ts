import Table from 'cli-table3';
import { Command } from 'commander';
import { connectRabbitMq } from '../broker/rabbitmq.ts';
import { type Config, listeningRoles, readConfig } from '../config.ts';
import { describeInstallation } from '../database/embedded-place.ts';
import { connectDatabase } from '../database/postgres.ts';
import { withDeadline } from '../kit/deadline.ts';
import { withoutPassword } from '../runtime/backends.ts';
import { checkHealth } from '../runtime/health.ts';
import { createLogger } from '../telemetry/logger.ts';

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
      if (json) console.log(JSON.stringify({ findings }, null, 2));
      else print(findings);
      if (findings.some(({ state }) => state === 'failed')) process.exitCode = 1;
    });
}

async function examine(config: Config): Promise<Finding[]> {
  return [node(), await database(config), await broker(config), await collector(config), ...(await roles(config))];
}

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
    return { what, where, state: 'failed', found: rootMessage(error), remedy };
  }
}

/** The innermost reason: what the driver or the kernel said. */
function rootMessage(error: unknown): string {
  let inner = error as Error & { code?: string };
  while (inner.cause instanceof Error) inner = inner.cause;
  return inner.message || inner.code || String(inner);
}

async function database({ databaseUrl, dataDirectory }: Config): Promise<Finding> {
  if (!databaseUrl) {
    const remedy = 'set DATABASE_URL to a PostgreSQL 15 or newer';
    return look('PostgreSQL', `embedded, in ${dataDirectory}`, remedy, async () => describeInstallation());
  }
  const logger = createLogger('doctor', 'silent');
  const connection = connectDatabase({ url: databaseUrl, poolSize: 1, applicationName: 'mallbots doctor', logger });
  try {
    return await look('PostgreSQL', connection.address, 'start PostgreSQL, or correct DATABASE_URL', async () => {
      return (await connection.ping()).version;
    });
  } finally {
    await connection.close();
  }
}

async function broker({ amqpUrl, namespace }: Config): Promise<Finding> {
  if (!amqpUrl) return { what: 'RabbitMQ', where: 'in process', state: 'ok', found: 'embedded broker', remedy: '' };
  const logger = createLogger('doctor', 'silent');
  return look('RabbitMQ', withoutPassword(amqpUrl), 'start RabbitMQ 3.10 or newer, or correct AMQP_URL', async () => {
    const connection = await connectRabbitMq({ url: amqpUrl, namespace, logger });
    try {
      return (await connection.ping()).version;
    } finally {
      await connection.close();
    }
  });
}

async function collector({ otlpEndpoint, traceFile }: Config): Promise<Finding> {
  if (!otlpEndpoint)
    return { what: 'traces', where: traceFile, state: 'ok', found: 'local OTLP JSON file', remedy: '' };
  const remedy = 'start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT';
  return look('OTLP collector', otlpEndpoint, remedy, async () => {
    const response = await fetch(`${otlpEndpoint.replace(/\/$/, '')}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"resourceSpans":[]}',
    });
    if (!response.ok) throw new Error(`answers ${response.status}`);
    return 'takes traces';
  });
}

function roles({ address }: Config): Promise<Finding[]> {
  return Promise.all(
    listeningRoles.map(async (role): Promise<Finding> => {
      const finding = await look(role, address[role], '', async () => {
        await checkHealth(role, address[role]);
        return 'serving';
      });
      return finding.state === 'ok'
        ? finding
        : { ...finding, state: 'absent', found: 'not running', remedy: `"mallbots ${role}", or "mallbots up" for all` };
    }),
  );
}

function print(findings: readonly Finding[]): void {
  const table = new Table({ head: ['', 'what', 'where', 'found', 'what to do'], style: { head: [], border: [] } });
  const mark = { ok: '✓', absent: '·', failed: '✗' };
  for (const { state, what, where, found, remedy } of findings) table.push([mark[state], what, where, found, remedy]);
  console.log(table.toString());
}

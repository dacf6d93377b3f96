import type { Logger } from 'pino';
import { type Config, type Environment, type ListeningRole, listeningRoles, readConfig } from '../config.ts';
import { migrations } from '../database/migrations.ts';
import { freePort } from '../kit/free-port.ts';
import type { Role } from '../role/role.ts';
import { type Backends, openBackends } from '../runtime/backends.ts';
import { botsArguments } from '../runtime/bots-arguments.ts';
import { awaitHealth } from '../runtime/health.ts';
import { drainAll, roleNames, startEveryRole } from '../runtime/roles.ts';
import { type Supervised, type SupervisorEvents, supervise } from '../runtime/supervisor.ts';

/** Connections to PostgreSQL: every role in one process, or only the demo's own look at the tables. */
const poolSizeOfAllRoles = 16;
const poolSizeOfAudit = 2;

/** Who watches a demo waits for a story, not for servers: they have to run already. */
const backendPatienceMs = 5_000;

/** A process is some 60 MB and half a second of start: beyond this many, bots share them. */
const maxBotProcesses = 8;

export interface BotsOnStage {
  readonly count: number;
  /** At most this many; `maxBotProcesses` when not given. */
  readonly processCount?: number;
  readonly seed: number;
  readonly timeScale: number;
  readonly shortSkus: readonly string[];
}

/** A mall that runs: its roles in this process or in processes of their own, and bots in processes of theirs. */
export interface Stage {
  readonly config: Config;
  readonly backends: Backends;
  startBots(options: BotsOnStage): void;
  close(): Promise<void>;
}

export async function openStage(
  given: Environment,
  options: { processes: boolean; logger: Logger; events: SupervisorEvents; signal?: AbortSignal },
): Promise<Stage> {
  const { processes, logger, events, signal } = options;
  const environment = { ...given, ...(await freeAddresses()) };
  const config = readConfig(environment);
  const poolSize = processes ? poolSizeOfAudit : poolSizeOfAllRoles;
  const backends = await openBackends(config, {
    logger,
    applicationName: 'mallbots demo',
    poolSize,
    signal,
    patienceMs: backendPatienceMs,
  });
  const supervised: Supervised[] = [];
  let bots: Supervised[] = [];

  const roles: Role[] = [];
  const stopRoles = async () => {
    await Promise.all(supervised.map((child) => child.stop()));
    await drainAll(roles);
  };
  try {
    if (processes) {
      for (const { schema, folder } of migrations) await backends.database.migrate(schema, folder);
      const shared = { ...environment, DATABASE_URL: backends.database.url };
      for (const name of roleNames) supervised.push(supervise(name, [name], shared, events));
      await Promise.all(roleNames.map((name) => awaitHealth(name, config.address[name])));
    } else {
      roles.push(...(await startEveryRole(config, backends)));
    }
  } catch (error) {
    await stopRoles();
    await backends.close();
    throw error;
  }

  return {
    config,
    backends,
    startBots({ count, seed, timeScale, shortSkus, processCount: wanted = maxBotProcesses }) {
      const processCount = Math.min(count, wanted);
      bots = Array.from({ length: processCount }, (_, index) => {
        const first = Math.floor((index * count) / processCount) + 1;
        const next = Math.floor(((index + 1) * count) / processCount) + 1;
        const { hub } = config.address;
        const args = botsArguments({ hub, first, count: next - first, seed, timeScale, shortSkus });
        return supervise(`bots ${first}${next - first > 1 ? `-${next - 1}` : ''}`, args, environment, events);
      });
    },
    async close() {
      await Promise.all(bots.map((child) => child.stop()));
      await stopRoles();
      await backends.close();
    },
  };
}

/**
 * A free port for each role, as the variables that set it: several demos can run at once, beside a mall that is up, whose variables are
 * in this environment too.
 */
async function freeAddresses(): Promise<Environment> {
  const addresses = await Promise.all(
    listeningRoles.map(async (role: ListeningRole) => {
      const name = `MALLBOTS_${role.toUpperCase()}`;
      return [
        [`${name}_LISTEN`, `127.0.0.1:${await freePort()}`],
        [`${name}_ADDRESS`, undefined],
      ] as const;
    }),
  );
  return Object.fromEntries(addresses.flat());
}

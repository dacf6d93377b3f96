import type { Logger } from 'pino';
import {
  type Config,
  type Endpoint,
  type Environment,
  endpointNames,
  endpointVariable,
  type ListeningRole,
  readConfig,
} from '../config.ts';
import { migrations } from '../database/migrations.ts';
import { freePort } from '../kit/free-port.ts';
import type { Role } from '../role/role.ts';
import { type Backends, openBackends } from '../runtime/backends.ts';
import { type BotsProcess, botsArguments } from '../runtime/bots-arguments.ts';
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

export interface BotsOnStage extends Omit<BotsProcess, 'hub' | 'first'> {
  /** At most this many; `maxBotProcesses` when not given. */
  readonly processCount?: number;
}

/** A mall that runs: its roles in this process or in processes of their own, and bots in processes of theirs. */
export interface Stage {
  /** Where the roles are reached; of several hubs the first. */
  readonly config: Config;
  readonly backends: Backends;
  /** `host:port` of each hub. */
  readonly hubAddresses: readonly string[];
  startBots(options: BotsOnStage): void;
  /** `kill -9` of a hub, the first of several; it is started again. False where it has no process of its own. */
  killHub(): boolean;
  close(): Promise<void>;
}

/** A role's process before it starts. */
export interface RoleProcess {
  /** That of its role, with a number where it has several: `hub 2`. */
  readonly name: string;
  readonly role: ListeningRole;
  readonly environment: Environment;
}

export interface StageOptions {
  /** Every role in a process of its own. */
  readonly processes: boolean;
  /** Processes of the hub; more than one need `processes`. */
  readonly hubs?: number;
  /** Has the last word on a process's environment: another way to the servers, another address that the others reach it at. */
  readonly prepare?: (process: RoleProcess) => Promise<Environment>;
  readonly logger: Logger;
  readonly events: SupervisorEvents;
  /** File descriptor that the processes log to; this process's standard error when not given. */
  readonly log?: number;
  readonly signal?: AbortSignal;
}

export async function openStage(given: Environment, options: StageOptions): Promise<Stage> {
  const { processes, hubs = 1, logger, events, log, signal } = options;
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
  let hub: Supervised | undefined;
  let hubAddresses = [config.address.hub];
  let bots: Supervised[] = [];

  const roles: Role[] = [];
  const stopRoles = async () => {
    await Promise.all(supervised.map((child) => child.stop()));
    await drainAll(roles);
  };
  try {
    if (processes) {
      for (const { schema, folder } of migrations) await backends.database.migrate(schema, folder);
      const cast = await roleProcesses({ ...environment, DATABASE_URL: backends.database.url }, hubs, options.prepare);
      for (const { name, role, environment } of cast) {
        const child = supervise(name, [role], environment, { events, log });
        supervised.push(child);
        if (role === 'hub') hub ??= child;
      }
      const reached = await Promise.all(
        cast.map(async ({ role, environment }) => {
          const { listen, address } = readConfig(environment);
          await awaitHealth(role, listen[role], { beside: cast.length - 1, signal });
          return { role, address: address[role] };
        }),
      );
      hubAddresses = reached.filter(({ role }) => role === 'hub').map(({ address }) => address);
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
    hubAddresses,
    startBots({ count, processCount: wanted = maxBotProcesses, ...behaviour }) {
      const processCount = Math.min(count, wanted);
      bots = Array.from({ length: processCount }, (_, index) => {
        const first = Math.floor((index * count) / processCount) + 1;
        const next = Math.floor(((index + 1) * count) / processCount) + 1;
        const hub = hubAddresses.join(',');
        const args = botsArguments({ hub, first, count: next - first, ...behaviour });
        const name = `bots ${first}${next - first > 1 ? `-${next - 1}` : ''}`;
        return supervise(name, args, environment, { events, log });
      });
    },
    killHub: () => hub?.kill() ?? false,
    async close() {
      await Promise.all(bots.map((child) => child.stop()));
      await stopRoles();
      await backends.close();
    },
  };
}

/** One process a role, `hubs` of the hub, each hub after the first at a port of its own. */
async function roleProcesses(
  shared: Environment,
  hubs: number,
  prepare: StageOptions['prepare'] = async ({ environment }) => environment,
): Promise<RoleProcess[]> {
  const planned: RoleProcess[] = roleNames.map((role) => ({ name: role, role, environment: shared }));
  if (hubs > 1) {
    const several = Array.from({ length: hubs }, async (_, index): Promise<RoleProcess> => {
      const environment = index === 0 ? shared : { ...shared, ...(await freeAddress('hub')) };
      return { name: `hub ${index + 1}`, role: 'hub', environment };
    });
    planned.splice(roleNames.indexOf('hub'), 1, ...(await Promise.all(several)));
  }
  return Promise.all(planned.map(async (process) => ({ ...process, environment: await prepare(process) })));
}

/**
 * A free port for each of its endpoints: several demos can run at once, beside a mall that is up, whose variables are in this environment too.
 */
async function freeAddresses(): Promise<Environment> {
  return Object.assign({}, ...(await Promise.all(endpointNames.map(freeAddress))));
}

/** A free port for it, as the variables that set it. */
async function freeAddress(endpoint: Endpoint): Promise<Environment> {
  return {
    [endpointVariable(endpoint, 'LISTEN')]: `127.0.0.1:${await freePort()}`,
    [endpointVariable(endpoint, 'ADDRESS')]: undefined,
  };
}

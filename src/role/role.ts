import type { Broker } from '../broker/port.ts';
import type { Config } from '../config.ts';
import type { Database } from '../database/port.ts';
import type { Telemetry } from '../telemetry/setup.ts';

/** What every role is given; made in one place per process, and not changed afterwards. */
export interface RoleContext {
  readonly config: Config;
  readonly database: Database;
  readonly broker: Broker;
  /** The role's own, also where roles share a process. */
  readonly telemetry: Telemetry;
}

/** A running role. */
export interface Role {
  /** `host:port` that it listens on. */
  readonly address: string;
  /** Takes nothing new, finishes what is under way, lets go. Bounded in time. */
  drain(): Promise<void>;
}

export type StartRole = (context: RoleContext) => Promise<Role>;

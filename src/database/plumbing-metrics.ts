import type { Meter } from '@opentelemetry/api';
import {
  ATTR_DB_CLIENT_CONNECTION_STATE,
  DB_CLIENT_CONNECTION_STATE_VALUE_IDLE,
  DB_CLIENT_CONNECTION_STATE_VALUE_USED,
  METRIC_DB_CLIENT_CONNECTION_COUNT,
  METRIC_DB_CLIENT_CONNECTION_PENDING_REQUESTS,
  METRIC_DB_CLIENT_CONNECTION_WAIT_TIME,
} from '@opentelemetry/semantic-conventions/incubating';
import { histogram, type Instrument, observable } from '../telemetry/instrument.ts';
import { backlogOf } from './outbox-rows.ts';
import type { Database } from './port.ts';
import type { PlumbingTables } from './tables.ts';

/** What every role with an outbox tells of it and of its connections. */
export const plumbingInstruments = {
  unpublished: {
    name: 'mallbots.outbox.unpublished',
    kind: 'gauge',
    unit: '{message}',
    description: 'Messages of the role that are committed and not published, as every process of it sees them',
    attributes: [],
  },
  lag: {
    name: 'mallbots.outbox.lag',
    kind: 'gauge',
    unit: 's',
    description: 'Age of the oldest of them: how far the relay is behind; 0 when there is none',
    attributes: [],
  },
  parked: {
    name: 'mallbots.inbox.parked',
    kind: 'gauge',
    unit: '{message}',
    description: 'Messages that could not be handled, with those of their keys behind them',
    attributes: [],
  },
  connections: {
    name: METRIC_DB_CLIENT_CONNECTION_COUNT,
    kind: 'count',
    unit: '{connection}',
    description: 'Connections to PostgreSQL; roles in one process share them, and each tells of all',
    attributes: [ATTR_DB_CLIENT_CONNECTION_STATE],
  },
  waiting: {
    name: METRIC_DB_CLIENT_CONNECTION_PENDING_REQUESTS,
    kind: 'count',
    unit: '{request}',
    description: 'Queries and transactions that wait for a free connection',
    attributes: [],
  },
  waits: {
    name: METRIC_DB_CLIENT_CONNECTION_WAIT_TIME,
    kind: 'histogram',
    unit: 's',
    description: 'How long those waited that had to wait for a free connection',
    attributes: [],
    boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
} as const satisfies Readonly<Record<string, Instrument>>;

/** Tells of a role's outbox, of its parked messages where it has any, and of the connections that it uses: read at each export, in one statement. */
export function watchPlumbing(
  meter: Meter,
  { database, tables }: { database: Database; tables: Pick<PlumbingTables, 'outbox'> & Partial<PlumbingTables> },
): void {
  const { unpublished, lag, parked, connections, waiting, waits } = plumbingInstruments;
  const backlog = { unpublished: observable(meter, unpublished), lag: observable(meter, lag) };
  const parkedCount = tables.parked && observable(meter, parked);
  meter.addBatchObservableCallback(
    async (result) => {
      const found = await database.query((orm) => backlogOf(orm, tables));
      result.observe(backlog.unpublished, found.unpublished);
      result.observe(backlog.lag, found.lagSeconds);
      if (parkedCount) result.observe(parkedCount, found.parked);
    },
    [backlog.unpublished, backlog.lag, ...(parkedCount ? [parkedCount] : [])],
  );
  observable(meter, connections).addCallback((result) => {
    const { used, idle } = database.connections;
    result.observe(used, { [ATTR_DB_CLIENT_CONNECTION_STATE]: DB_CLIENT_CONNECTION_STATE_VALUE_USED });
    result.observe(idle, { [ATTR_DB_CLIENT_CONNECTION_STATE]: DB_CLIENT_CONNECTION_STATE_VALUE_IDLE });
  });
  observable(meter, waiting).addCallback((result) => result.observe(database.connections.waiting));
  const waited = histogram(meter, waits);
  database.onWaited((ms) => waited.record(ms / 1_000));
}

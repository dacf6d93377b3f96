import { setFlagsFromString } from 'node:v8';
import { unavailable } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { mallTopology } from '../contract/topology.ts';
import { migrationsOf } from '../database/migrations.ts';
import { createOutbox } from '../database/outbox.ts';
import { watchPlumbing } from '../database/plumbing-metrics.ts';
import { startRelay } from '../database/relay.ts';
import { FleetAdminService } from '../gen/fleet/v1/fleet.ts';
import { pause } from '../kit/backoff.ts';
import type { Role, RoleContext } from '../role/role.ts';
import { toStatus } from '../rpc/errors.ts';
import { implement, type RpcServer, startServer } from '../rpc/server.ts';
import { ATTR_HUB_ID } from '../telemetry/attributes.ts';
import { fleetAdmin } from './admin.ts';
import { Admissions } from './admissions.ts';
import { asker } from './ask-task.ts';
import { type Assign, nearestWilling } from './assign.ts';
import { BotLimits } from './bot-limits.ts';
import type { BotSession } from './bot-session.ts';
import { canceller, sendRecall } from './cancel.ts';
import { Connection, type ConnectionPorts } from './connection.ts';
import { startControl } from './control.ts';
import { Counts } from './counts.ts';
import { detacher } from './detach.ts';
import { Dispatch, type DispatchPorts } from './dispatch.ts';
import { hubDefinition } from './envelope.ts';
import { startIngest } from './ingest.ts';
import { Intake } from './intake.ts';
import { type KindPolicies, kindPolicies, policiesOf } from './kinds/policy.ts';
import { Leases } from './leases.ts';
import { Ledger, type LedgerPorts } from './ledger.ts';
import { byteBurst, drainDeadlineMs, heapGrowthPercent, hubLimits, hubTimes, sharedBufferBytes } from './limits.ts';
import { countOpenTasks } from './list-store.ts';
import { withLossesTraced } from './lost-lease.ts';
import { meteredHub } from './metered.ts';
import type { Call } from './outbound.ts';
import { Outflow } from './outflow.ts';
import { Patience } from './patience.ts';
import { startProtocol } from './protocol/protocol.ts';
import { publisher, source } from './publish.ts';
import { Reports } from './reports.ts';
import { Roster } from './roster.ts';
import { inbox, outbox as outboxTable } from './store.ts';
import { languageOf } from './task-phase.ts';

const schema = 'hub';

/** What grpc-js takes for never. */
const neverMs = 2 ** 31 - 1;

const countOf = {
  'connection refused': 'mallbots.hub.connections.refused',
  'connection cut': 'mallbots.hub.connections.cut',
  'stream refused': 'mallbots.hub.streams.refused',
  'stream ended': 'mallbots.hub.streams.ended',
} as const;

export interface HubOptions {
  /** Who does what. */
  readonly assign?: Assign;
  readonly policies?: KindPolicies;
}

/** One hub: any number of them share the fleet through the tables of schema `hub`. */
export async function startHub(
  { config, database, broker, telemetry }: RoleContext,
  { assign = nearestWilling, policies = kindPolicies }: HubOptions = {},
): Promise<Role> {
  Buffer.poolSize = sharedBufferBytes;
  setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`);
  const hubId = newId();
  const times = hubTimes(config.hubLeaseMs);
  const limits = hubLimits(config.hubLimits);
  const counts = new Counts();
  const intake = new Intake(limits, counts);
  const outflow = new Outflow(limits);
  const { tracer } = telemetry;
  const logger = telemetry.logger.child({ [ATTR_HUB_ID]: hubId });
  await database.migrate(schema, migrationsOf(schema));
  await broker.declare(mallTopology);

  const tables = { outbox: outboxTable, inbox };
  const outbox = createOutbox({ tables, source, tracer });
  const relay = startRelay({ database, broker, tables, schema, outbox, tracer, logger });
  watchPlumbing(telemetry.meter, { database, tables: { outbox: outboxTable } });
  const metrics = withLossesTraced(meteredHub(telemetry.meter), tracer);
  const roster = new Roster<BotSession>(limits.maxStreams);
  const onQueued = () => {
    dispatch.tasksQueued();
    control.tellQueued();
  };
  const onSuperseded = (botId: string, epoch: number) => roster.supersede(botId, epoch);
  const policyOf = policiesOf(policies);
  const isTried: LedgerPorts['isTried'] = (task) =>
    task !== undefined && protocol.catalogue.view.shareOf(languageOf(task).kind) !== undefined;
  const trialOf: LedgerPorts['trialOf'] = (...ended) => protocol.trials.ended(...ended);
  const ledger = new Ledger({
    trialOf,
    isTried,
    database,
    outbox,
    times,
    policyOf,
    roster,
    metrics,
    logger,
    onQueued,
    onSuperseded,
  });
  const admissions = new Admissions({ database, ledger, times, limits, hubId, onQueued });
  const armOf: DispatchPorts['armOf'] = (task) => protocol.catalogue.view.armOf(task);
  const languages = () => protocol.interpreter;
  const dispatch = new Dispatch({
    ...{ roster, ledger, assign, armOf, languages, policyOf, times, metrics, tracer, logger },
  });
  const onWilling = () => dispatch.botIsWilling();
  const onChanged = () => control.tellProtocol();
  const botLimits = await new BotLimits({ database, roster, logger, onWilling }).start();
  const protocol = await startProtocol({ database, roster, telemetry, logger, hubId, onWilling, onChanged });
  const { catalogue, delivery, trials, interpreter } = protocol;
  const patience = new Patience(times.leaseMs, performance.now());
  const takeArrivals = () => admissions.takeArrivals();
  const onHerd = () => control.tellHerd();
  const herds = { patience, takeArrivals, onHerd };
  const leases = new Leases({ database, roster, ledger, times, policyOf, metrics, logger, ...herds });
  const publish = publisher({ broker, metrics, tracer });
  const reports = new Reports({
    ledger,
    leases,
    publish,
    catalogue,
    delivery,
    trials,
    interpreter,
    times,
    tracer,
    logger,
    onWilling,
  });
  const control = await startControl({
    database,
    logger,
    hubId,
    onQueued: () => dispatch.tasksQueued(),
    onProtocol: () => catalogue.wake(),
    onHerd: () => patience.waitForHerd(performance.now()),
    onLimits: () => botLimits.wake(),
    onSuperseded,
    onRecalled: (recall) => {
      const seat = roster.find(recall.botId);
      if (seat) sendRecall(seat, recall);
    },
  });
  const askTask = asker({ database, ledger, dispatch, catalogue });
  const cancelTask = canceller({ ledger, roster, control });
  const ports: ConnectionPorts = {
    hubId,
    admissions,
    roster,
    catalogue,
    delivery,
    botLimits,
    reports,
    times,
    limits,
    counts,
    intake,
    outflow,
    hangUp: (peer) => server.hangUp(peer),
    metrics,
    logger,
    onWilling,
    onSuperseding: ({ botId, epoch }) => control.tellSuperseded(botId, epoch),
    detach: detacher({ database, ledger, logger }),
  };

  const connections = new Set<Connection>();
  metrics.watch({
    counts,
    intake,
    outbound: () => outflow.status,
    sessions: () => [
      ...Array.from(connections, ({ session }) => session.state),
      ...Array.from(roster.detached, ({ state }) => state),
    ],
    tasks: () => database.query(countOpenTasks),
  });
  let isDraining = false;
  const session = (call: Call) => {
    if (isDraining || connections.size >= limits.maxStreams) {
      const why = isDraining
        ? 'this hub goes away'
        : `this hub has ${limits.maxStreams} streams, which is all it takes`;
      const reason = isDraining ? 'HUB_DRAINING' : 'HUB_FULL';
      counts.add('mallbots.hub.streams.refused', reason);
      call.emit('error', toStatus(unavailable(`${why}; connect again`, reason)));
      return;
    }
    const connection = new Connection(call, ports);
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  };
  const getHubStatus = async () => ({
    hubId,
    connections: server.connections,
    bots: roster.size,
    ...intake.status,
    ...outflow.status,
    counts: counts.all,
  });
  const server: RpcServer = await startServer(
    config.listen.hub,
    [
      { definition: hubDefinition, implementation: { session } },
      {
        definition: FleetAdminService,
        implementation: implement(
          FleetAdminService,
          { ...fleetAdmin({ database, askTask, cancelTask, botLimits, control }), getHubStatus },
          telemetry,
        ),
      },
      protocol.service,
    ],
    {
      options: {
        // The gate asks those that are silent; grpc-js would ask all of them all the time.
        'grpc.keepalive_time_ms': neverMs,
        'grpc.max_receive_message_length': limits.maxFrameBytes,
      },
      limits: { ...limits, byteBurst: byteBurst(limits) },
      onEvent: (event, reason) => counts.add(countOf[event], reason),
    },
  );
  leases.start();
  dispatch.start();
  const ingest = await startIngest({ broker, ledger, dispatch, cancelTask, catalogue, tracer, logger });

  /** Asks the bots to go and ends the streams of those that stay. */
  async function sendAway(): Promise<void> {
    isDraining = true;
    const streams = [...connections];
    const gone = Promise.all(streams.map(({ closed }) => closed));
    for (const { session } of streams) session.input({ type: 'drain' });
    const left = new AbortController();
    await Promise.race([gone, pause(drainDeadlineMs, left.signal)]);
    left.abort();
    for (const { session } of streams) session.input({ type: 'drained' });
    await gone;
    for (const session of [...roster.detached]) session.input({ type: 'drained' });
  }

  return {
    address: server.address,
    async drain() {
      server.stopServing();
      protocol.service.close();
      // Nobody takes tasks any more; what the bots still report is.
      await Promise.all([ingest.drain(), dispatch.stop(), sendAway()]);
      await Promise.all([leases.stop(), server.drain(), control.close()]);
      await Promise.all([protocol.stop(), botLimits.stop()]);
      await relay.stop();
    },
  };
}

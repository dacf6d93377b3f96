import { ATTR_NETWORK_IO_DIRECTION } from '@opentelemetry/semantic-conventions/incubating';
import { ATTR_OUTCOME, ATTR_REASON } from '../telemetry/attributes.ts';
import type { Instrument } from '../telemetry/instrument.ts';
import { revisionAttributes } from './per-revision.ts';

/** Of a session, a task: the words of their state machines. */
export const ATTR_STATE = 'mallbots.state';
/** The case of a frame's body: `progress`, `lease` ... */
export const ATTR_FRAME = 'mallbots.frame';

/** Seconds; from what one turn of the event loop takes to what makes an operator look, each about twice the one before. */
const latencySeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Seconds; a task may also wait for the first free bot of a busy day. */
const waitSeconds = [...latencySeconds, 30, 60, 300, 900, 3_600];
/** Attempts; three are the usual most. */
const attempts = [1, 2, 3, 5, 10, 20];

/** Everything that a hub counts. */
export const hubInstruments = {
  sessions: {
    name: 'mallbots.hub.session.count',
    kind: 'count',
    unit: '{session}',
    description: 'Sessions of this hub; DETACHED ones wait for their bot to come back',
    attributes: [ATTR_STATE],
  },
  tasks: {
    name: 'mallbots.hub.task.count',
    kind: 'gauge',
    unit: '{task}',
    description: 'Tasks of the whole fleet that have not ended, as every hub sees them; QUEUED is the queue',
    attributes: [ATTR_STATE],
  },
  connectionsRefused: {
    name: 'mallbots.hub.connections.refused',
    kind: 'counter',
    unit: '{connection}',
    description: 'Connections refused before a byte was read',
    attributes: [ATTR_REASON],
  },
  connectionsCut: {
    name: 'mallbots.hub.connections.cut',
    kind: 'counter',
    unit: '{connection}',
    description: 'Connections cut for what they sent',
    attributes: [ATTR_REASON],
  },
  streamsRefused: {
    name: 'mallbots.hub.streams.refused',
    kind: 'counter',
    unit: '{stream}',
    description: 'Streams refused before a handler saw them',
    attributes: [ATTR_REASON],
  },
  streamsEnded: {
    name: 'mallbots.hub.streams.ended',
    kind: 'counter',
    unit: '{stream}',
    description: 'Streams of all services that are over, by gRPC status',
    attributes: [ATTR_REASON],
  },
  sessionsClosed: {
    name: 'mallbots.hub.sessions.closed',
    kind: 'counter',
    unit: '{stream}',
    description: 'Streams of bots that are over',
    attributes: [ATTR_REASON],
  },
  framesRefused: {
    name: 'mallbots.hub.frames.refused',
    kind: 'counter',
    unit: '{frame}',
    description:
      'Frames of bots that the hub refused, by the reason of the Nack; those that were not answered included',
    attributes: [ATTR_REASON],
  },
  framesRefusedByBots: {
    name: 'mallbots.hub.frames.refused_by_bots',
    kind: 'counter',
    unit: '{frame}',
    description: 'Frames of the hub that a bot refused, by the reason of the Nack',
    attributes: [ATTR_REASON],
  },
  readingPaused: {
    name: 'mallbots.hub.reading.paused',
    kind: 'counter',
    unit: '{pause}',
    description: 'Times that a stream was not read for a while: its bot, or all, have more waiting than they may',
    attributes: [ATTR_REASON],
  },
  waitingFrames: {
    name: 'mallbots.hub.intake.frames',
    kind: 'count',
    unit: '{frame}',
    description: 'Frames of bots that wait here for their effect',
    attributes: [],
  },
  waitingBytes: {
    name: 'mallbots.hub.intake.bytes',
    kind: 'count',
    unit: 'By',
    description: 'The same on the wire',
    attributes: [],
  },
  pausedStreams: {
    name: 'mallbots.hub.intake.paused',
    kind: 'count',
    unit: '{stream}',
    description: 'Streams that are not read just now',
    attributes: [],
  },
  unsentFrames: {
    name: 'mallbots.hub.outbound.frames',
    kind: 'count',
    unit: '{frame}',
    description: 'Frames that wait here for bots to read them',
    attributes: [],
  },
  unsentBytes: {
    name: 'mallbots.hub.outbound.bytes',
    kind: 'count',
    unit: 'By',
    description: 'Of the tasks and revisions among them',
    attributes: [],
  },
  slowStreams: {
    name: 'mallbots.hub.outbound.slow',
    kind: 'count',
    unit: '{stream}',
    description: 'Streams whose bots read so little that they are offered nothing',
    attributes: [],
  },
  frames: {
    name: 'mallbots.hub.frames',
    kind: 'counter',
    unit: '{frame}',
    description: 'Frames from and to bots',
    attributes: [ATTR_NETWORK_IO_DIRECTION, ATTR_FRAME],
  },
  staleFences: {
    name: 'mallbots.hub.stale_fences',
    kind: 'counter',
    unit: '{report}',
    description: 'Reports without effect, because the task is at a higher fence',
    attributes: [],
  },
  offers: {
    name: 'mallbots.hub.offers',
    kind: 'counter',
    unit: '{offer}',
    description: 'Offers that have ended',
    attributes: [ATTR_OUTCOME, ...revisionAttributes],
  },
  grants: {
    name: 'mallbots.hub.lease.grants',
    kind: 'counter',
    unit: '{lease}',
    description: 'Leases granted: attempts begun',
    attributes: revisionAttributes,
  },
  renewals: {
    name: 'mallbots.hub.lease.renewals',
    kind: 'counter',
    unit: '{lease}',
    description: 'Leases renewed by heartbeats',
    attributes: [],
  },
  losses: {
    name: 'mallbots.hub.lease.losses',
    kind: 'counter',
    unit: '{lease}',
    description: 'Leases that ended without a result',
    attributes: [ATTR_REASON, ...revisionAttributes],
  },
  requeues: {
    name: 'mallbots.hub.task.requeues',
    kind: 'counter',
    unit: '{task}',
    description: 'Tasks that somebody had and that are queued again',
    attributes: [ATTR_REASON, ...revisionAttributes],
  },
  said: {
    name: 'mallbots.hub.reports',
    kind: 'counter',
    unit: '{report}',
    description:
      'Progress and results of bots: taken, or by the reason of the Nack; PAYLOAD_UNDECODABLE is one that nobody can read',
    attributes: [ATTR_OUTCOME, ...revisionAttributes],
  },
  attempts: {
    name: 'mallbots.hub.task.attempts',
    kind: 'histogram',
    unit: '{attempt}',
    description: 'Attempts of the tasks that have ended',
    attributes: [ATTR_OUTCOME, ...revisionAttributes],
    boundaries: attempts,
  },
  dispatch: {
    name: 'mallbots.hub.dispatch.duration',
    kind: 'histogram',
    unit: 's',
    description: 'From the ingest of a task to its first offer',
    attributes: revisionAttributes,
    boundaries: waitSeconds,
  },
  publish: {
    name: 'mallbots.hub.publish.duration',
    kind: 'histogram',
    unit: 's',
    description: 'From the hand-over of a report to the broker to its confirm',
    attributes: [],
    boundaries: latencySeconds,
  },
  reports: {
    name: 'mallbots.hub.report.duration',
    kind: 'histogram',
    unit: 's',
    description: "From the arrival of a bot's numbered frame to its acknowledgement",
    attributes: [],
    boundaries: latencySeconds,
  },
} as const satisfies Readonly<Record<string, Instrument>>;

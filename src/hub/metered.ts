import type { Meter } from '@opentelemetry/api';
import {
  ATTR_NETWORK_IO_DIRECTION,
  NETWORK_IO_DIRECTION_VALUE_RECEIVE,
  NETWORK_IO_DIRECTION_VALUE_TRANSMIT,
} from '@opentelemetry/semantic-conventions/incubating';
import { ATTR_OUTCOME, ATTR_REASON } from '../telemetry/attributes.ts';
import {
  Count,
  histogram,
  type Instrument,
  observable,
  Tally,
  watchCounts,
  watchFigures,
} from '../telemetry/instrument.ts';
import type { CountName } from './counts.ts';
import type { Direction, HubMetrics } from './hub-metrics.ts';
import { ATTR_FRAME, ATTR_STATE, hubInstruments } from './instruments.ts';
import { PerRevision } from './per-revision.ts';
import { languageOf } from './task-phase.ts';
import { readTransition } from './transition.ts';

const {
  connectionsRefused,
  connectionsCut,
  streamsRefused,
  streamsEnded,
  sessionsClosed,
  framesRefused,
  framesRefusedByBots,
  readingPaused,
  waitingFrames,
  waitingBytes,
  pausedStreams,
  unsentFrames,
  unsentBytes,
  slowStreams,
} = hubInstruments;
/** The instruments of `Counts`: all of them. */
const totals: ReadonlyArray<Instrument & { readonly kind: 'counter'; readonly name: CountName }> = [
  connectionsRefused,
  connectionsCut,
  streamsRefused,
  streamsEnded,
  sessionsClosed,
  framesRefused,
  framesRefusedByBots,
  readingPaused,
];

/** What a hub counts, as instruments of its meter. */
export function meteredHub(meter: Meter): HubMetrics {
  const counter = (name: 'frames' | 'staleFences' | 'grants') => observable(meter, hubInstruments[name]);
  const bothWays = counter('frames');
  const way = (direction: string) => new Tally(bothWays, ATTR_FRAME, { [ATTR_NETWORK_IO_DIRECTION]: direction });
  const frames: Readonly<Record<Direction, Tally>> = {
    receive: way(NETWORK_IO_DIRECTION_VALUE_RECEIVE),
    transmit: way(NETWORK_IO_DIRECTION_VALUE_TRANSMIT),
  };
  const staleFences = new Count(counter('staleFences'));
  const tallies = (name: 'offers' | 'losses' | 'requeues' | 'said', attribute: string) => {
    const instrument = observable(meter, hubInstruments[name]);
    return new PerRevision((attributes) => new Tally(instrument, attribute, attributes));
  };
  const offers = tallies('offers', ATTR_OUTCOME);
  const granted = counter('grants');
  const grants = new PerRevision((attributes) => new Count(granted, attributes));
  const renewals = new Count(observable(meter, hubInstruments.renewals));
  const losses = tallies('losses', ATTR_REASON);
  const requeues = tallies('requeues', ATTR_REASON);
  const said = tallies('said', ATTR_OUTCOME);
  const attempts = histogram(meter, hubInstruments.attempts);
  const dispatch = histogram(meter, hubInstruments.dispatch);
  const revisions = new PerRevision((attributes) => attributes);
  const publish = histogram(meter, hubInstruments.publish);
  const reports = histogram(meter, hubInstruments.reports);
  const seconds = (ms: number) => Math.max(0, ms) / 1_000;

  return {
    frame: (direction, type) => frames[direction].add(type),
    staleFence: () => staleFences.add(),
    changed(before, input, after) {
      const { offer, isGranted, lost, requeued, outcome } = readTransition(
        before.phase.state,
        input,
        after.phase.state,
      );
      // What becomes of a task is put down to the revision that it was in until then.
      const language = languageOf(before);
      if (offer) offers.of(language).add(offer);
      if (isGranted) grants.of(language).add();
      if (lost) losses.of(language).add(lost);
      if (requeued) requeues.of(language).add(requeued);
      if (outcome) attempts.record(after.attempt, { ...revisions.of(language), [ATTR_OUTCOME]: outcome });
    },
    said: (schema, outcome) => said.of(schema).add(outcome),
    renewed: (leases) => renewals.add(leases),
    dispatched: (schema, afterMs) => dispatch.record(seconds(afterMs), revisions.of(schema)),
    published: (afterMs) => publish.record(seconds(afterMs)),
    acknowledged: (afterMs) => reports.record(seconds(afterMs)),
    watch({ counts, intake, outbound, sessions, tasks }) {
      watchFigures(meter, { waitingFrames, waitingBytes, pausedStreams }, () => intake.status);
      watchFigures(meter, { unsentFrames, unsentBytes, slowStreams }, outbound);
      for (const instrument of totals)
        observable(meter, instrument).addCallback((result) => {
          for (const { name, reason, value } of counts.all)
            if (name === instrument.name) result.observe(value, { [ATTR_REASON]: reason });
        });
      watchCounts(observable(meter, hubInstruments.tasks), ATTR_STATE, tasks);
      watchCounts(observable(meter, hubInstruments.sessions), ATTR_STATE, async () => {
        const byState = Map.groupBy(sessions(), (state) => state);
        return new Map([...byState].map(([state, those]) => [state, those.length]));
      });
    },
  };
}

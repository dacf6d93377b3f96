import type { Duration } from '../../src/gen/google/protobuf/duration.ts';

/** 0 where there is none. */
export const durationMs = (duration: Duration | undefined): number =>
  duration ? duration.seconds * 1_000 + duration.nanos / 1_000_000 : 0;

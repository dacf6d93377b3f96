import { quantile } from './figure.ts';

/** Something that is sent and answered, one at a time. */
export interface Lane {
  /** Sends; `onAnswer` is called once, when the answer is here. */
  request(onAnswer: () => void): void;
}

export interface Pace {
  readonly count: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Keeps every lane busy for `ms`: what is asked first waits for nobody, and as many are under way as there are lanes. */
export async function closedLoop(lanes: readonly Lane[], ms: number): Promise<Pace> {
  const startedAt = performance.now();
  const endsAt = startedAt + ms;
  const latencies: number[] = [];
  const run = (lane: Lane) =>
    new Promise<void>((resolve) => {
      let askedAt = 0;
      const ask = () => {
        askedAt = performance.now();
        if (askedAt >= endsAt) return resolve();
        lane.request(answered);
      };
      const answered = () => {
        latencies.push(performance.now() - askedAt);
        ask();
      };
      ask();
    });
  await Promise.all(lanes.map(run));
  return {
    count: latencies.length,
    perSecond: latencies.length / ((performance.now() - startedAt) / 1_000),
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

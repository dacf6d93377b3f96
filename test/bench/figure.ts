/** One measured figure beside the raw one that it is to be seen against, taken in the same run on the same machine. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** In the same unit. */
  readonly reference: number;
  /** What the reference is. */
  readonly referenceName: string;
  /** value / reference */
  readonly ratio: number;
  /** What is to be reached, as text; null where nothing was set. */
  readonly goal: string | null;
  readonly met: boolean | null;
}

export interface Servers {
  /** Empty: embedded. */
  readonly databaseUrl: string;
  readonly amqpUrl: string;
}

export interface Surroundings {
  readonly servers: Servers;
  /** Aborts when somebody wants to stop: every wait ends, and what was made is removed. */
  readonly signal: AbortSignal;
  /** Where the hubs that are measured leave a CPU profile; empty: nowhere. */
  readonly profileDirectory: string;
}

export interface Benchmark {
  /** Of the figures that it answers with, in their order. */
  readonly names: readonly string[];
  readonly needsServers: boolean;
  run(around: Surroundings): Promise<readonly Figure[]>;
}

interface Goal {
  readonly text: string;
  readonly met: (ratio: number, value: number) => boolean;
}

export const atLeast = (ratio: number): Goal => ({ text: `>= ${ratio}`, met: (reached) => reached >= ratio });
export const atMost = (ratio: number): Goal => ({ text: `<= ${ratio}`, met: (reached) => reached <= ratio });

/** `goal` undefined: the figure only informs. */
export function figure(
  name: string,
  unit: string,
  measured: { value: number; reference: number; referenceName: string },
  goal?: Goal,
): Figure {
  const ratio = measured.value / measured.reference;
  return {
    name,
    unit,
    ...measured,
    ratio,
    goal: goal?.text ?? null,
    met: goal ? goal.met(ratio, measured.value) : null,
  };
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** The value below which the `share` (0 to 1) of all lie; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

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
  /** Bound of the ratio, as text; null where none was set. */
  readonly goal: string | null;
  readonly met: boolean | null;
}

export interface Servers {
  /** Empty: embedded. */
  readonly databaseUrl: string;
  readonly amqpUrl: string;
}

export interface Benchmark {
  readonly name: string;
  readonly needsServers: boolean;
  run(servers: Servers): Promise<Figure>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

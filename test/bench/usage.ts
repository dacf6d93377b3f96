/** What a process has used and keeps. */
export interface Usage {
  /** Bytes; after a collection when one was asked for: what is kept, not what happens to lie around. */
  readonly rss: number;
  /** Of it what objects and buffers take. */
  readonly heap: number;
  /** Of all threads since the start, ms. */
  readonly cpuMs: number;
}

/** Of this process; to `collect` it has to run with `--expose-gc`. */
export async function usage({ collect }: { collect: boolean }): Promise<Usage> {
  const { user, system } = process.cpuUsage();
  if (collect) globalThis.gc!();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external, cpuMs: (user + system) / 1_000 };
}

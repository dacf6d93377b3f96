export interface BotsProcess {
  /** `host:port`. */
  readonly hub: string;
  /** Number of the first bot; the others follow it. */
  readonly first: number;
  readonly count: number;
  readonly seed: number;
  /** How many times faster than life. */
  readonly timeScale: number;
  readonly shortSkus: readonly string[];
  /** Shares of tasks during which a bot crashes, or loses its connection; none when not given. */
  readonly crashRate?: number;
  readonly disconnectRate?: number;
  /** They also do tasks of kinds that they were not made for. */
  readonly generic?: boolean;
  /** Revisions, such as `shop@3`, that a share of the bots rejects; none when not given. */
  readonly rejects?: { readonly revisions: readonly string[]; readonly share: number } | undefined;
}

/** The command line of a process of simulated bots: `mallbots bots ...`. */
export function botsArguments(options: BotsProcess): string[] {
  const { hub, first, count, seed, timeScale, shortSkus, crashRate = 0, disconnectRate = 0 } = options;
  const { generic = false, rejects } = options;
  return [
    'bots',
    `--hub=${hub}`,
    `--first=${first}`,
    `--count=${count}`,
    `--seed=${seed}`,
    `--time-scale=${timeScale}`,
    `--crash-rate=${crashRate}`,
    `--disconnect-rate=${disconnectRate}`,
    ...shortSkus.map((sku) => `--short-sku=${sku}`),
    ...(generic ? ['--generic'] : []),
    ...(rejects ? [`--reject-share=${rejects.share}`] : []),
    ...(rejects?.revisions ?? []).map((revision) => `--reject-revision=${revision}`),
  ];
}

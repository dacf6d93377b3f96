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
}

/** The command line of a process of simulated bots: `mallbots bots ...`. */
export const botsArguments = ({ hub, first, count, seed, timeScale, shortSkus }: BotsProcess): string[] => [
  'bots',
  `--hub=${hub}`,
  `--first=${first}`,
  `--count=${count}`,
  `--seed=${seed}`,
  `--time-scale=${timeScale}`,
  ...shortSkus.map((sku) => `--short-sku=${sku}`),
];

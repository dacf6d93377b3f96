export interface DemoOptions {
  readonly orders: number;
  readonly bots: number;
  readonly seed: number;
  /** How many times faster than life the bots are. */
  readonly timeScale: number;
  /** Shares of tasks, 0 to 1, during which a bot crashes, or loses its connection. */
  readonly crashRate?: number;
  readonly disconnectRate?: number;
  /** Share of shoppers, 0 to 1, who cancel their orders. */
  readonly cancelRate?: number;
  /** A server to make a scratch database on; embedded when absent. */
  readonly databaseUrl?: string;
  /** A broker to use scratch names on; in process when absent. */
  readonly amqpUrl?: string;
  /** Every role in a process of its own. */
  readonly processes?: boolean;
  /** Processes of the hub; more than one with `processes` only. */
  readonly hubs?: number;
  /** Changes the language of the tasks while orders flow, more of them than `orders` where that takes longer. */
  readonly protocolChange?: boolean;
  /** Kills a hub in the middle of that; with `processes` only. */
  readonly killHub?: boolean;
  /** Leaves database, queues and traces behind. */
  readonly keep?: boolean;
  /** Seconds after which an order that has not ended is a violation. */
  readonly timeout: number;
}

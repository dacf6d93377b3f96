import type { ChannelCredentials } from '@grpc/grpc-js';
import type { Tracer } from '@opentelemetry/api';
import type { BackoffPolicy } from './backoff.ts';
import type { BotStore } from './bot-store.ts';
import type { ServedKind } from './kind.ts';
import type { Accept } from './language.ts';
import type { BotLogger } from './logger.ts';

export interface BotOptions {
  /** `host:port`, or several separated by commas: the bot moves on to the next when one is lost. */
  readonly hub: string;
  readonly botId: string;
  /** What this bot can do: `shopKind.serve(handler, { credits: 1 })`, `anyKind.serve(handler)`. */
  readonly kinds: readonly ServedKind[];
  /** Asked of each revision that this bot could apply; takes all when not given. */
  readonly accept?: Accept | undefined;
  /** Where the robot is, metres from the depot. Asked at each heartbeat. */
  readonly position?: () => { x: number; y: number };
  /** 0 to 1. Asked at each heartbeat. */
  readonly battery?: () => number;
  /** Where what must survive the process is kept: `fileStore(path)`. Without, a bot that starts again has forgotten its tasks. */
  readonly store?: BotStore | undefined;
  /** How often this robot has booted, where it can remember it; with a store, that does. */
  readonly bootCount?: number;
  readonly reconnect?: BackoffPolicy;
  /** Plaintext when not given. */
  readonly credentials?: ChannelCredentials;
  /** Hears of listeners that throw and of sensors that fail, too; nobody does when not given. */
  readonly logger?: BotLogger;
  /** The global OpenTelemetry tracer when not given. */
  readonly tracer?: Tracer;
  /** Reports that may wait for the hub before handlers wait; see `outboxLimit`. */
  readonly outboxLimit?: number;
  /** In [0, 1); spreads reconnects. */
  readonly random?: () => number;
}

/** @throws RangeError when `hub` names no address */
export function hubsOf({ hub }: BotOptions): readonly string[] {
  const hubs = hub.split(',').flatMap((address) => address.trim() || []);
  if (hubs.length === 0) throw new RangeError(`hub is "${hub}"; give host:port, or several separated by commas`);
  return hubs;
}

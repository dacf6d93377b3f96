/** What a hub refused, shed and ended, for operators: named as OpenTelemetry names counters, each by reason. */
export type CountName =
  /** `TOO_MANY`, `TOO_MANY_OF_ADDRESS`, or why the system did not accept. */
  | 'mallbots.hub.connections.refused'
  /** `PING_FLOOD`, `SETTINGS_FLOOD`, `RESET_FLOOD`, `BYTE_FLOOD`, `NO_STREAM`, `HUNG_UP`, or Node's `ERR_HTTP2_...`. */
  | 'mallbots.hub.connections.cut'
  /** `ENCODING`, `HUB_FULL`, `HUB_DRAINING`. */
  | 'mallbots.hub.streams.refused'
  /** By gRPC status code, of all services; `none`: the peer was gone before it. */
  | 'mallbots.hub.streams.ended'
  /** By the reason of what a bot's stream ended with; `OK` and `GONE` have none. */
  | 'mallbots.hub.sessions.closed'
  /** By the reason of the Nack. */
  | 'mallbots.hub.frames.refused'
  /** The same, of frames of this hub that a bot refused. */
  | 'mallbots.hub.frames.refused_by_bots'
  /** Times that a stream was not read for a while: `BOT`, it has more waiting than it may; `HUB`, this hub has all it can hold; `TELEMETRY`. */
  | 'mallbots.hub.reading.paused';

export interface Count {
  readonly name: CountName;
  readonly reason: string;
  value: number;
}

/** Totals since this hub started. Reasons come from this program, never from a peer, so that they stay few. */
export class Counts {
  readonly #counts = new Map<string, Count>();

  add(name: CountName, reason: string): void {
    const key = `${name} ${reason}`;
    const known = this.#counts.get(key);
    if (known) known.value += 1;
    else this.#counts.set(key, { name, reason, value: 1 });
  }

  get all(): Readonly<Count>[] {
    return [...this.#counts.values()];
  }
}

/** What the connections of a gRPC server may ask of it, below the level of calls. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  /** From one IPv4 address, or one IPv6 /64, which is what one host has. */
  readonly maxConnectionsPerAddress: number;
  readonly maxStreamsPerConnection: number;
  /** Bytes a second that one connection may send, whatever they are: the bound on frames that no other limit counts. */
  readonly bytesPerSecond: number;
  readonly byteBurst: number;
  /** PING and SETTINGS frames of one connection: a client's keepalive, and its measuring of the bandwidth, need a few. */
  readonly controlFramesPerSecond: number;
  /** Streams of one connection that its peer gives up (Rapid Reset): each costs the set-up of a call. */
  readonly resetsPerSecond: number;
  /**
   * A connection that brings no byte for longer than this is asked by a PING, and cut when it brings none for as long again; infinity: that is
   * left to grpc-js, which asks every connection all the time, whatever it brings.
   */
  readonly keepaliveMs: number;
}

/** Of a unary API: other roles, and a person's tools. */
export const unaryConnectionLimits: ConnectionLimits = {
  maxConnections: 2_000,
  maxConnectionsPerAddress: 1_000,
  /** What RFC 9113 recommends as the least. */
  maxStreamsPerConnection: 100,
  bytesPerSecond: 32 * 1024 * 1024,
  byteBurst: 128 * 1024 * 1024,
  controlFramesPerSecond: 20,
  /** Callers whose deadlines pass. */
  resetsPerSecond: 30,
  keepaliveMs: Number.POSITIVE_INFINITY,
};

/** Seconds' worth of control frames and resets that may come at once. */
export const burstSeconds = 10;
/** A handshake is 100 bytes; who sends so much and opens no stream wants something else. */
export const maxBytesBeforeStream = 64 * 1024;
/** Between looks at how much each connection has sent: a look is one property for each. */
export const lookEveryMs = 1_000;
/**
 * Connections that wait to be accepted: a fleet that comes at once. Of more than Node's default of 511 the kernel drops the greeting, and each
 * repeats it after 1, 3, 7 and 15 seconds (of 5,000 bots the last came back 10 s after the others). The kernel's own limit is 4,096.
 */
export const acceptBacklog = 4_096;

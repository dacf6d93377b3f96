import { Connection } from 'rabbitmq-client';

/** A dead peer is found after two of these. Seconds; the client's own default of 60 would freeze the mall for two minutes. */
const heartbeatS = 5;
/** For opening a connection or a channel, ms. */
const openDeadlineMs = 10_000;
/** Waits between tries to connect, ms; the client doubles and spreads them. A restarting broker takes up to 20 s. */
const reconnectFirstMs = 200;
const reconnectMaxMs = 5_000;

/** A connection that connects again by itself until it is closed. `?heartbeat=` (seconds) in the URL wins over the default. */
export function openConnection(url: string, purpose: string): Connection {
  const connection = new Connection({
    url,
    connectionName: `mallbots ${purpose}`,
    heartbeat: heartbeatS,
    acquireTimeout: openDeadlineMs,
    connectionTimeout: openDeadlineMs,
    retryLow: reconnectFirstMs,
    retryHigh: reconnectMaxMs,
    // Confirms and acks are small and awaited: Nagle's algorithm holds them back.
    noDelay: true,
  });
  // Without any listener a lost connection would end the process.
  connection.on('error', () => {});
  return connection;
}

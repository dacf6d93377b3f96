import { connect } from 'node:net';

/** Where the real services are. */
export const amqpUrl = process.env.MALLBOTS_TEST_AMQP_URL ?? 'amqp://guest:guest@127.0.0.1:5672';
export const databaseUrl = process.env.MALLBOTS_TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';

const defaultPorts: Record<string, number> = { 'amqp:': 5672, 'postgres:': 5432, 'postgresql:': 5432 };
/** Loopback answers in well under a millisecond. */
const probeDeadlineMs = 1_000;

/** Whether something listens where `url` points to. */
export function reachable(url: string): Promise<boolean> {
  const { protocol, hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) || (defaultPorts[protocol] ?? 0) });
    const settle = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(probeDeadlineMs, () => settle(false));
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

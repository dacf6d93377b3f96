import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { unavailable } from '../contract/errors.ts';

const protocolHeader = Buffer.from('AMQP\0\0\x09\x01', 'latin1');
/** `version` and the type letter of a long string, as they stand in the server properties of Connection.Start (AMQP 0-9-1, 4.2.5.5). */
const versionField = Buffer.from('\x07versionS', 'latin1');
const lengthBytes = 4;
/** The properties fit into the first kilobyte; what is longer is no AMQP server. Bytes. */
const maxGreetingBytes = 64 * 1024;

/** host:port of an AMQP URL: for people, without the password. */
export const placeOf = (url: string): string => {
  const { protocol, hostname, port } = new URL(url);
  return `${hostname}:${port || (protocol === 'amqps:' ? 5671 : 5672)}`;
};

/**
 * The version in the server's greeting, which rabbitmq-client reads but does not tell.
 * @throws MallError UNAVAILABLE when nothing that speaks AMQP answers within `deadlineMs`
 */
export function serverVersion(url: string, deadlineMs: number): Promise<string> {
  const place = placeOf(url);
  const [host, port] = [place.slice(0, place.lastIndexOf(':')), Number(place.slice(place.lastIndexOf(':') + 1))];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket =
    new URL(url).protocol === 'amqps:' ? connectTls({ host, port, servername: host }) : connectTcp({ host, port });
  let greeting = Buffer.alloc(0);
  socket.setTimeout(deadlineMs, () => socket.destroy(new Error(`no greeting within ${deadlineMs} ms`)));
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('closed before it told its version')));
  socket.on('data', (chunk: Buffer) => {
    greeting = Buffer.concat([greeting, chunk]);
    const version = versionIn(greeting);
    if (version !== undefined) resolve(version);
    if (version !== undefined || greeting.length > maxGreetingBytes) socket.destroy();
  });
  socket.write(protocolHeader);
  return promise
    .catch((error) => {
      throw unavailable(`RabbitMQ at ${place} does not answer: ${error.message}`, 'BROKER_UNREACHABLE', error);
    })
    .finally(() => socket.destroy());
}

function versionIn(greeting: Buffer): string | undefined {
  const at = greeting.indexOf(versionField);
  const start = at + versionField.length + lengthBytes;
  if (at < 0 || greeting.length < start) return undefined;
  const end = start + greeting.readUInt32BE(start - lengthBytes);
  return greeting.length < end ? undefined : greeting.toString('utf8', start, end);
}

import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type HubCount, HubService } from '../../src/gen/fleet/v1/fleet.ts';
import type { CountName } from '../../src/hub/counts.ts';
import { hostOf } from '../../src/rpc/gate.ts';
import { RawHttp2 } from '../support/raw-http2.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { type Assignment, picked, type RawBot } from './raw-bot.ts';

const { path } = HubService.session;
const maxConnections = 12;
const maxStreams = 4;

let fleet: Fleet;
let healthy: RawBot;
let task: Assignment;
const attackers: RawHttp2[] = [];
beforeAll(async () => {
  fleet = await startFleet({
    environment: {
      MALLBOTS_HUB_MAX_CONNECTIONS_PER_ADDRESS: String(maxConnections),
      MALLBOTS_HUB_MAX_STREAMS_PER_CONNECTION: String(maxStreams),
      MALLBOTS_HUB_BYTES_PER_SECOND: '65536',
      MALLBOTS_HUB_MAX_UNACKNOWLEDGED: '16',
      MALLBOTS_HUB_HELLO_DEADLINE_MS: '1000',
      MALLBOTS_HUB_KEEPALIVE_MS: '1000',
    },
  });
  healthy = fleet.bot();
  await healthy.welcomed();
  await fleet.request();
  task = await healthy.lease();
  healthy.keepBeating([task]);
});
afterAll(() => fleet[Symbol.asyncDispose]());
let before: HubCount[];
beforeEach(async () => {
  before = (await fleet.admin.getHubStatus({})).counts;
});
afterEach(async () => {
  for (const attacker of attackers.splice(0)) attacker.end();
  // Whatever happened to the others.
  await healthy.acknowledged(healthy.progress(task, picked()));
});

async function attacker(): Promise<RawHttp2> {
  const raw = await RawHttp2.to(fleet.hub.address);
  attackers.push(raw);
  return raw;
}

/** How many the hub has counted in this test, of one reason or of all. */
async function sinceBefore(name: CountName, reason?: string): Promise<number> {
  const sum = (counts: readonly HubCount[]) =>
    counts.reduce(
      (all, count) => all + (count.name === name && count.reason === (reason ?? count.reason) ? count.value : 0),
      0,
    );
  return sum((await fleet.admin.getHubStatus({})).counts) - sum(before);
}

/** Resolves when the hub has counted one in this test. */
const counted = (name: CountName, reason: string) =>
  expect.poll(() => sinceBefore(name, reason), { timeout: 20_000 }).toBeGreaterThan(0);

/** Does `act` every few milliseconds, too slowly for what Node itself recognises as a flood, until the connection is over. */
async function trickle(raw: RawHttp2, act: () => void): Promise<void> {
  const timer = setInterval(() => {
    for (let n = 0; n < 10; n++) act();
  }, 10);
  await raw.closed;
  clearInterval(timer);
}

it.each([
  ['PING_FLOOD', (raw: RawHttp2) => raw.ping()],
  ['SETTINGS_FLOOD', (raw: RawHttp2) => raw.settings()],
  ['RESET_FLOOD', (raw: RawHttp2) => raw.reset(raw.open(path))],
] as const)('cuts a connection for a %s', async (reason, act) => {
  const raw = await attacker();
  raw.greet();
  raw.open(path);
  await trickle(raw, () => act(raw));
  await counted('mallbots.hub.connections.cut', reason);
});

it('cuts a connection that is all resets at once, as Node does', async () => {
  const raw = await attacker();
  raw.greet();
  for (let n = 0; n < 5_000; n++) raw.reset(raw.open(path));
  await raw.closed;
  // By Node or by the gate, whoever is first.
  await expect.poll(() => sinceBefore('mallbots.hub.connections.cut'), { timeout: 20_000 }).toBeGreaterThan(0);
});

it('cuts a connection that sends more bytes than agreed, in frames that nobody counts', async () => {
  const raw = await attacker();
  raw.greet();
  raw.open('/fleet.v1.Hub/Nothing');
  raw.open(path);
  await trickle(raw, () => raw.windowUpdate(2_000));
  await counted('mallbots.hub.connections.cut', 'BYTE_FLOOD');
});

it('cuts a connection that sends much and opens no stream', async () => {
  const raw = await attacker();
  raw.greet();
  await trickle(raw, () => raw.windowUpdate(200));
  await counted('mallbots.hub.connections.cut', 'NO_STREAM');
});

it('refuses thousands of connections beyond the bound of one address', async () => {
  const waves = 10;
  const each = 200;
  for (let wave = 0; wave < waves; wave++) {
    const many = await Promise.all(Array.from({ length: each }, attacker));
    await Promise.all(many.slice(maxConnections).map(({ closed }) => closed));
    expect((await fleet.admin.getHubStatus({})).connections).toBeLessThanOrEqual(maxConnections);
  }
  const refused = () => sinceBefore('mallbots.hub.connections.refused', 'TOO_MANY_OF_ADDRESS');
  await expect.poll(refused, { timeout: 20_000 }).toBeGreaterThan(waves * (each - maxConnections) - 1);
});

it('ends a connection that never says a word', async () => {
  const raw = await attacker();
  await raw.closed;
  await counted('mallbots.hub.connections.cut', 'SILENT');
});

it('ends a stream without a hello', async () => {
  const raw = await attacker();
  raw.greet();
  raw.open(path);
  await counted('mallbots.hub.sessions.closed', 'HANDSHAKE');
});

it('has no more streams of one connection than agreed', async () => {
  const raw = await attacker();
  raw.greet();
  for (let n = 0; n < 50; n++) raw.open(path);
  await raw.closed;
  // Of the others no handler has heard.
  expect(await sinceBefore('mallbots.hub.sessions.closed', 'HANDSHAKE')).toBe(maxStreams);
});

it.each([
  ['a bomb', gzipSync(Buffer.alloc(64 * 1024 * 1024))],
  ['garbage', Buffer.from('no gzip at all')],
])('takes no compressed frames: %s', async (_, bytes) => {
  const client = connectHttp2(`http://${fleet.hub.address}`);
  client.on('error', () => undefined);
  const stream = client.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    'grpc-encoding': 'gzip',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  const head = Buffer.alloc(5);
  head[0] = 1;
  head.writeUInt32BE(bytes.length, 1);
  stream.write(Buffer.concat([head, bytes]));
  const [headers] = await once(stream, 'response');
  expect(headers['grpc-status']).toBe('12');
  expect(decodeURI(headers['grpc-message'])).toContain('send messages uncompressed');
  client.destroy();
  await counted('mallbots.hub.streams.refused', 'ENCODING');
});

it('says what a frame beyond the size costs, and counts it', async () => {
  const bloated = fleet.bot();
  const { maxFrameBytes } = await bloated.welcomed();
  bloated.sendBytes(Buffer.alloc(maxFrameBytes + 1));
  expect((await bloated.status).code).toBe(8);
  await counted('mallbots.hub.streams.ended', '8');
});

it('costs a bot its stream when it has more refused than agreed', async () => {
  const babbler = fleet.bot();
  await babbler.welcomed();
  for (let n = 0; n < 500; n++) babbler.sendBytes(Buffer.alloc(0));
  expect(await babbler.status).toMatchObject({ code: 8, details: expect.stringContaining('refused frames a second') });
  expect(babbler.frames.filter(({ body }) => body?.$case === 'nack').length).toBeLessThan(200);
  await counted('mallbots.hub.frames.refused', 'BODY_UNSET');
  await counted('mallbots.hub.sessions.closed', 'REFUSAL_RATE_EXCEEDED');
});

it('refuses a heartbeat that names more tasks than a bot can hold, once and not for each', async () => {
  const liar = fleet.bot();
  await liar.welcomed();
  liar.heartbeat(Array.from({ length: 1_000 }, () => task));
  expect((await liar.next('nack')).value.message).toContain('heartbeat.held_tasks');
  await counted('mallbots.hub.frames.refused', 'FIELD_INVALID');
  liar.cut();
});

it('misses a bot whose connection hangs half open', async () => {
  const [host, port] = fleet.hub.address.split(':');
  const wire = await TcpProxy.to(host!, Number(port));
  const frozen = fleet.bot({}, { ...fleet.hub, address: `127.0.0.1:${wire.port}` });
  await frozen.welcomed();
  wire.blackhole();
  await fleet.disconnected(frozen.hello.botId);
  await counted('mallbots.hub.connections.cut', 'SILENT');
  await wire.close();
  await frozen.status;
});

it('takes an IPv6 /64 for one host', () => {
  expect(hostOf('2001:db8:1:2:a:b:c:d')).toBe('2001:db8:1:2');
  expect(hostOf('2001:db8::1')).toBe(hostOf('2001:db8::2'));
  expect(hostOf('::ffff:10.0.0.7')).toBe('10.0.0.7');
});

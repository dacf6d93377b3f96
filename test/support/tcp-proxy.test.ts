import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TcpProxy } from './tcp-proxy.ts';

/** Answers every chunk with itself. */
let service: Server;
let heard: string;
let proxy: TcpProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  heard = '';
  service = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      heard += bytes;
      socket.write(bytes);
    });
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  proxy = await TcpProxy.to('127.0.0.1', (service.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  service.close();
});

/** However busy the machine is. */
const patience = { timeout: 20_000, interval: 5 };

/** A connection through the proxy over which bytes have gone and come. */
async function client() {
  const socket = connect({ host: '127.0.0.1', port: proxy.port });
  clients.push(socket);
  const state = { socket, answer: '', ended: false, error: undefined as Error | undefined };
  socket.on('data', (bytes) => {
    state.answer += bytes;
  });
  socket.on('error', (error) => {
    state.error = error;
  });
  socket.on('close', () => {
    state.ended = true;
  });
  socket.write('.');
  await expect.poll(() => state.answer, patience).toBe('.');
  return state;
}

it('lets through in one direction what a black hole swallows in the other, and hands over the rest afterwards', async () => {
  const one = await client();
  proxy.blackhole('down');
  one.socket.write('up');
  await expect.poll(() => heard, patience).toBe('.up');
  expect(one.answer).toBe('.');

  await proxy.restore();
  await expect.poll(() => one.answer, patience).toBe('.up');
});

it('keeps from the service that a client behind a black hole is gone, until the wire is restored', async () => {
  const one = await client();
  const before = await counted();
  proxy.blackhole('up');
  one.socket.destroy();
  await expect.poll(() => one.ended, patience).toBe(true);
  expect(await counted()).toBe(before);

  await proxy.restore();
  await expect.poll(counted, patience).toBe(0);
  await expect.poll(() => proxy.connections, patience).toBe(0);
});

const counted = () => new Promise<number>((resolve) => service.getConnections((_, count) => resolve(count)));

it('delays bytes in order, and the end behind them', async () => {
  const one = await client();
  proxy.delay(100, 'up');
  const sentAt = performance.now();
  one.socket.write('a');
  one.socket.end('b');
  await expect.poll(() => one.ended, patience).toBe(true);
  expect(one.answer).toBe('.ab');
  expect(performance.now() - sentAt).toBeGreaterThanOrEqual(100);
});

it('lets no more than a trickle pass, and all that is left when the wire is restored', async () => {
  const one = await client();
  proxy.trickle(1_000);
  const sentAt = performance.now();
  const text = 'x'.repeat(100_000);
  one.socket.write(text);
  await expect.poll(() => one.answer.length, patience).toBeGreaterThanOrEqual(100);
  const mostBytes = 1_000 * ((performance.now() - sentAt) / 1_000) + 51;
  expect(one.answer.length).toBeLessThanOrEqual(mostBytes + 1);

  await proxy.restore();
  await expect.poll(() => one.answer.length, patience).toBe(text.length + 1);
});

it('resets, hangs up and refuses', async () => {
  const reset = await client();
  proxy.cut();
  await expect.poll(() => reset.ended, patience).toBe(true);
  expect(reset.error).toMatchObject({ code: 'ECONNRESET' });

  const hungUp = await client();
  proxy.hangUp();
  await expect.poll(() => hungUp.ended, patience).toBe(true);
  expect(hungUp.error).toBeUndefined();

  await proxy.refuse();
  const [refusal] = await once(connect({ host: '127.0.0.1', port: proxy.port }), 'error');
  expect(refusal).toMatchObject({ code: 'ECONNREFUSED' });
  await proxy.restore();
  await client();
});

import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { afterEach, describe, expect, it } from 'vitest';
import { healthCommand } from '../../src/cli/health.ts';
import { listeningRoles } from '../../src/config.ts';
import { freePort } from '../../src/kit/free-port.ts';
import { type RpcServer, startServer } from '../../src/rpc/server.ts';
import { awaitHealth, checkHealth } from '../../src/runtime/health.ts';

const cleanups: Array<() => unknown> = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(): Promise<RpcServer> {
  const server = await startServer('127.0.0.1:0', []);
  cleanups.push(() => server.drain());
  return server;
}

async function serveHttp(status: number): Promise<string> {
  const server: Server = createServer((request, response) => {
    response.writeHead(request.url === '/health' ? status : 404).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Nothing listens there, and nothing ever will: a port that was free a moment ago may be another test's by now. */
const nobody = '127.0.0.1:2';

describe('checkHealth', () => {
  it.each(listeningRoles.filter((role) => role !== 'kiosk'))(
    'resolves for %s when its gRPC server serves',
    async (role) => {
      const { address } = await serve();
      await expect(checkHealth(role, address)).resolves.toBeUndefined();
    },
  );

  it('resolves for the kiosk when GET /health answers 200', async () => {
    await expect(checkHealth('kiosk', await serveHttp(200))).resolves.toBeUndefined();
  });

  it('says what a kiosk answered that is not well', async () => {
    await expect(checkHealth('kiosk', await serveHttp(503))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('it answers HTTP 503'),
    });
  });

  it('says what a gRPC server answered that is not serving', async () => {
    const server = new GrpcServer();
    new HealthImplementation({ '': 'NOT_SERVING' }).addToServer(server);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    cleanups.push(() => server.forceShutdown());
    await expect(checkHealth('hub', `127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('it answers NOT_SERVING'),
    });
  });

  it.each(['orders', 'kiosk'] as const)('says that %s is not there, and how to start it', async (role) => {
    await expect(checkHealth(role, nobody)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(`${role} does not serve at ${nobody}: connect ECONNREFUSED`),
      detail: { reason: 'NOT_SERVING', value: role, remedy: `start it with "mallbots ${role}"` },
    });
  });
});

describe('mallbots health', () => {
  const probe = async (address: string) => {
    const program = join(import.meta.dirname, '../../src/cli/mallbots.js');
    const env = { ...process.env, MALLBOTS_ORDERS_ADDRESS: address };
    return promisify(execFile)(process.execPath, [program, 'health', 'orders'], { env });
  };

  it('exits with 0 for a role that serves', async () => {
    const { address } = await serve();
    await expect(probe(address)).resolves.toMatchObject({ stdout: `orders serves at ${address}\n` });
  });

  it('exits with 1, which Docker takes for unhealthy, for one that does not', async () => {
    await expect(probe(nobody)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(`^error: orders does not serve at ${nobody}: .*ECONNREFUSED`),
    });
  });

  it('takes every role that listens, and no other word', async () => {
    const command = healthCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    await expect(command.parseAsync(['somebody'], { from: 'user' })).rejects.toMatchObject({
      code: 'commander.invalidArgument',
      message: expect.stringContaining(listeningRoles.join(', ')),
    });
  });
});

describe('awaitHealth', () => {
  it('resolves when the role comes to serve', async () => {
    const port = await freePort();
    const served = awaitHealth('hub', `127.0.0.1:${port}`);
    await expect(checkHealth('hub', `127.0.0.1:${port}`)).rejects.toThrow('does not serve');
    const server = await startServer(`127.0.0.1:${port}`, []);
    cleanups.push(() => server.drain());
    await served;
  });

  it('waits no longer than anybody wants to know', async () => {
    const nobodyCares = AbortSignal.abort(new Error('interrupted'));
    await expect(awaitHealth('hub', nobody, { signal: nobodyCares })).rejects.toThrow('interrupted');
  });
});

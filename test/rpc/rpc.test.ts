import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { SpanKind } from '@opentelemetry/api';
import { service as healthService } from 'grpc-health-check';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { invalid, MallError, notFound } from '../../src/contract/errors.ts';
import { DepotService, ShoppingList as List, ListState, type ShoppingList } from '../../src/gen/depot/v1/depot.ts';
import { Invoice, PaymentsService, PayRequest } from '../../src/gen/payments/v1/payments.ts';
import { StaffService } from '../../src/gen/staff/v1/staff.ts';
import type { Api } from '../../src/rpc/api.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { implement, type RpcServer, startServer } from '../../src/rpc/server.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

const open: Array<{ close(): unknown }> = [];
afterEach(async () => {
  for (const { close } of open.splice(0).reverse()) await close();
});

async function serve(methods: Partial<Api<DepotService>>) {
  const telemetry = recordingTelemetry('depot');
  const implementation = implement(DepotService, methods as Api<DepotService>, telemetry);
  const server: RpcServer = await startServer('127.0.0.1:0', [{ definition: DepotService, implementation }]);
  open.push({ close: () => server.drain() });
  const client = connectClient(DepotService, server.address, telemetry);
  open.push(client);
  return { server, api: client.api, telemetry };
}

const list = (orderId: string): ShoppingList => List.fromPartial({ orderId, state: ListState.CREATED });

describe('a service over gRPC', () => {
  test('answers a client as the function that it is', async () => {
    const { api } = await serve({ getList: async ({ orderId }) => list(orderId) });

    expect(await api.getList({ orderId: 'o1' })).toMatchObject({ orderId: 'o1', state: ListState.CREATED });
  });

  test('carries code, message and detail of a refusal, and not its cause', async () => {
    const { api } = await serve({
      getList: async ({ orderId }) => {
        throw notFound('shopping list', 'order_id', orderId, 'wait for the depot to plan it');
      },
    });

    const refusal = await api.getList({ orderId: 'o1' }).catch((error: unknown) => error as MallError);

    expect(refusal).toBeInstanceOf(MallError);
    expect(refusal).toMatchObject({
      code: 'NOT_FOUND',
      message: 'no shopping list with order_id "o1"; wait for the depot to plan it',
      detail: {
        reason: 'SHOPPING_LIST_NOT_FOUND',
        field: 'order_id',
        value: 'o1',
        remedy: 'wait for the depot to plan it',
      },
    });
  });

  test('tells nobody what broke inside', async () => {
    const { api, telemetry } = await serve({
      getList: async () => {
        throw new Error('password is hunter2');
      },
    });

    const failure = await api.getList({ orderId: 'o1' }).catch((error: unknown) => error as MallError);

    expect(failure).toMatchObject({ code: 'INTERNAL' });
    expect((failure as MallError).message).not.toContain('hunter2');
    const server = telemetry.spans().find((span) => span.name === 'depot.v1.Depot/GetList' && span.kind === 1);
    expect(server?.events[0]?.attributes?.['exception.message']).toContain('hunter2');
  });

  test('is one trace from the client to the server, which names the order', async () => {
    const { api, telemetry } = await serve({ getList: async ({ orderId }) => list(orderId) });

    await api.getList({ orderId: 'o1' });

    const [server, client] = telemetry.spans();
    expect(server?.parentSpanContext?.spanId).toBe(client?.spanContext().spanId);
    expect(server?.spanContext().traceId).toBe(client?.spanContext().traceId);
    expect(server?.attributes).toMatchObject({ 'mallbots.order_id': 'o1', 'rpc.status_code': 'OK' });
  });

  test('takes no baggage and no tracestate from outside, and passes none on', async () => {
    const onward: Metadata[] = [];
    const upstream = new Server();
    const { getList } = DepotService;
    upstream.addService(
      { getList },
      {
        getList: (call: ServerUnaryCall<unknown, unknown>, respond: sendUnaryData<unknown>) => {
          onward.push(call.metadata);
          respond(null, list('o1'));
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      upstream.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    onTestFinished(() => upstream.forceShutdown());
    const telemetry = recordingTelemetry('staff');
    const behind = connectClient(DepotService, `127.0.0.1:${port}`, telemetry);
    onTestFinished(() => behind.close());
    const { server } = await serve({ getList: (request) => behind.api.getList(request) });

    const outside = new Client(server.address, credentials.createInsecure());
    onTestFinished(() => outside.close());
    const metadata = new Metadata();
    metadata.set('traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`);
    metadata.set('tracestate', 'vendor=1');
    metadata.set('baggage', 'is_admin=true');
    const { path, requestSerialize, responseDeserialize } = getList;
    await new Promise((resolve, reject) =>
      outside.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { orderId: 'o1' },
        metadata,
        (error, answer) => (error ? reject(error) : resolve(answer)),
      ),
    );

    const keys = Object.keys(onward[0]!.getMap());
    expect(keys).toContain('traceparent');
    expect(keys).not.toContain('baggage');
    expect(keys).not.toContain('tracestate');
    const [call] = telemetry.spans();
    expect(call?.spanContext()).toMatchObject({ traceId: 'a'.repeat(32), traceState: undefined });
  });

  test('is named, and its end told, by the conventions', async () => {
    const {
      api,
      telemetry,
      server: rpcServer,
    } = await serve({
      getList: async () => {
        throw notFound('shopping list', 'order_id', 'o1', 'wait');
      },
    });

    await api.getList({ orderId: 'o1' }).catch(() => {});

    const [server, client] = telemetry.spans();
    const call = { 'rpc.system.name': 'grpc', 'rpc.method': 'depot.v1.Depot/GetList', 'rpc.status_code': 'NOT_FOUND' };
    const refusal = { 'mallbots.reason': 'SHOPPING_LIST_NOT_FOUND' };
    expect(client).toMatchObject({ name: 'depot.v1.Depot/GetList', kind: SpanKind.CLIENT, status: { code: 2 } });
    expect(client?.attributes).toMatchObject({
      ...call,
      ...refusal,
      'error.type': 'NOT_FOUND',
      'server.address': '127.0.0.1',
      'server.port': Number(rpcServer.address.split(':')[1]),
    });
    // The server did what it should.
    expect(server).toMatchObject({ name: 'depot.v1.Depot/GetList', kind: SpanKind.SERVER, status: { code: 0 } });
    expect(server?.attributes).toMatchObject({ ...call, ...refusal });
    expect(server?.attributes).not.toHaveProperty(['error.type']);
  });

  test('names the order on both sides, also where only the answer does', async () => {
    const { api, telemetry } = await serve({ getList: async () => list('o2') });

    await api.getList({ orderId: '' });

    expect(telemetry.spans().map(({ attributes }) => attributes['mallbots.order_id'])).toEqual(['o2', 'o2']);
  });

  test('fails with DEADLINE_EXCEEDED when it takes longer than the caller waits', async () => {
    const { api } = await serve({
      getList: (_request, options) =>
        new Promise((_, reject) => options?.signal?.addEventListener('abort', () => reject(new Error('hung up')))),
    });

    await expect(api.getList({ orderId: 'o1' }, { deadlineMs: 50 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
  });

  test('fails with UNAVAILABLE when nobody listens', async () => {
    const { api, server } = await serve({});
    await server.drain();

    await expect(api.getList({ orderId: 'o1' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `${server.address} cannot be reached: connect ECONNREFUSED ${server.address}`,
    });
  });

  test('fails with UNAVAILABLE once the client is closed', async () => {
    const { server, telemetry } = await serve({});
    const { api, close } = connectClient(StaffService, server.address, telemetry);
    close();

    await expect(api.listPickups({ pageSize: 0, pageToken: '' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `${server.address} cannot be reached: Channel has been shut down`,
    });
  });

  test('fails with UNAVAILABLE where another service listens', async () => {
    const { server, telemetry } = await serve({});
    const { api, close } = connectClient(StaffService, server.address, telemetry);
    open.push({ close });

    await expect(api.listPickups({ pageSize: 0, pageToken: '' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `${server.address} cannot be reached: another service listens there`,
    });
  });

  test('refuses a port that is taken, by name', async () => {
    const { server } = await serve({});

    await expect(startServer(server.address, [])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'ADDRESS_IN_USE', value: server.address },
    });
  });

  test('says so when the address is not of this machine', async () => {
    // TEST-NET-1 of RFC 5737: nobody's.
    await expect(startServer('192.0.2.1:7001', [])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('this machine does not have the address'),
      detail: { reason: 'ADDRESS_NOT_LOCAL' },
    });
  });

  test('finishes the calls under way when it drains', async () => {
    const entered = Promise.withResolvers<void>();
    const leave = Promise.withResolvers<void>();
    const { api, server } = await serve({
      getList: async ({ orderId }) => {
        entered.resolve();
        await leave.promise;
        return list(orderId);
      },
    });
    const answer = api.getList({ orderId: 'o1' });
    await entered.promise;

    const drained = server.drain();
    leave.resolve();

    expect(await answer).toMatchObject({ orderId: 'o1' });
    await drained;
  });

  test.each([
    ['bytes that are no message', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    // amount.minor is 2^63 - 1.
    ['a number above 2^53 - 1', Buffer.from('1a0a08ffffffffffffffff7f', 'hex')],
  ])('refuses %s as the fault of the caller, and goes on', async (_what, bytes) => {
    const telemetry = recordingTelemetry('payments');
    const paid: string[] = [];
    const implementation = implement(
      PaymentsService,
      {
        pay: async ({ orderId }) => {
          paid.push(orderId);
          return Invoice.fromPartial({ orderId });
        },
        getInvoice: async ({ orderId }) => Invoice.fromPartial({ orderId }),
        refund: async ({ orderId }) => Invoice.fromPartial({ orderId }),
        batchGetInvoices: async () => ({ invoices: [] }),
      },
      telemetry,
    );
    const server = await startServer('127.0.0.1:0', [{ definition: PaymentsService, implementation }]);
    open.push({ close: () => server.drain() });
    const raw = new Client(server.address, credentials.createInsecure());
    open.push({ close: () => raw.close() });
    const pay = (request: Buffer) =>
      new Promise<{ code?: number; details?: string } | null>((resolve) => {
        const { path } = PaymentsService.pay;
        raw.makeUnaryRequest(
          path,
          () => request,
          (answer) => answer,
          {},
          new Metadata(),
          (error) => resolve(error),
        );
      });

    expect(await pay(bytes)).toMatchObject({ code: 3, details: expect.stringContaining('payments.v1.Payments/Pay') });
    expect(await pay(Buffer.from(PayRequest.encode(PayRequest.fromPartial({ orderId: 'o2' })).finish()))).toBeNull();
    expect(paid).toEqual(['o2']);
  });
});

describe('the health of a server', () => {
  const check = healthService.Check!;
  const ask = (client: Client, service: string) =>
    new Promise<string>((resolve) => {
      const { path, requestSerialize, responseDeserialize } = check;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, answer) =>
        resolve(error ? String(error.code) : (answer as { status: string }).status),
      );
    });

  test('is told of the whole and of each service, and ends before the calls do', async () => {
    const { server, api } = await serve({ getList: async ({ orderId }) => list(orderId) });
    const client = new Client(server.address, credentials.createInsecure());
    open.push({ close: () => client.close() });
    const names = ['', 'depot.v1.Depot'];
    const all = () => Promise.all(names.map((name) => ask(client, name)));

    expect(await all()).toEqual(['SERVING', 'SERVING']);
    expect(await ask(client, 'hub.v1.Nothing')).toBe('5');
    server.stopServing();
    expect(await all()).toEqual(['NOT_SERVING', 'NOT_SERVING']);
    expect(await api.getList({ orderId: 'o1' })).toMatchObject({ orderId: 'o1' });
  });
});

describe('an error', () => {
  test('names the field, the value and the remedy', () => {
    const error = invalid('lines[0].quantity', 0, 'QUANTITY', 'give 1 to 1000');

    expect(error.message).toBe('lines[0].quantity is "0"; give 1 to 1000');
  });

  test('does not repeat a payload', () => {
    expect(invalid('shopper', 'x'.repeat(5_000), 'TOO_LONG', 'be brief').message.length).toBeLessThan(200);
  });
});

import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { draft, type Message, seal } from '../../src/contract/message.ts';
import { addressOf } from '../../src/contract/topology.ts';
import { startStaff } from '../../src/gateways/staff/staff.ts';
import type { Role } from '../../src/role/role.ts';
import { anOrder, type StartedDoubles, startDoubles } from '../gateways/doubles.ts';
import { staffContext } from '../gateways/staff/staff-context.ts';
import { withDatabase } from '../support/database.ts';
import { describeWithJournal, type OpenJournal } from '../support/journal-stacks.ts';
import { Program } from '../support/program.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

/** Commands are processes, on a machine that is busy with other tests. ms */
const timeout = 60_000;

describeWithJournal('mallbots staff journal', suite);

function suite(open: OpenJournal): void {
  const cleanUp = new AsyncDisposableStack();
  let mall: Awaited<ReturnType<OpenJournal>>;
  let services: StartedDoubles;
  let role: Role;
  let wire: TcpProxy;
  const [adas, bobs] = [anOrder({ placedAt: new Date() }), anOrder({ placedAt: new Date(), shopper: 'B\u009b31mb' })];

  const start = async (listen = '127.0.0.1:0') => {
    const telemetry = recordingTelemetry('staff');
    role = await startStaff(staffContext(services.address, telemetry, { broker: mall.broker, listen }));
  };
  const journal = (...args: string[]) =>
    new Program(['staff', 'journal', ...args, '--staff', `127.0.0.1:${wire.port}`]);
  const placed = ({ orderId, shopper } = adas): Message =>
    seal(draft('orders.placed', orderId, { orderId, shopper, lines: [], total: { minor: 300, currency: 'EUR' } }), {
      ...{ id: newId(), source: '/orders', time: new Date(), causationId: 'request', traceparent: '' },
    });
  const publish = async (...messages: Message[]) => {
    for (const message of messages) await mall.broker.publish(addressOf(message.name), message);
    return messages.map(({ id }) => id);
  };

  beforeAll(async () => {
    const db = cleanUp.use(await withDatabase());
    mall = await open(db);
    cleanUp.defer(() => mall.close());
    const orders = {
      getOrder: async ({ orderId }: { orderId: string }) => (orderId === adas.orderId ? adas : bobs),
      listOrders: async () => ({ orders: [adas, bobs] }),
    };
    services = cleanUp.use(
      await startDoubles({ orders, depot: { listBays: async () => ({ bays: [], nextPageToken: '' }) } }),
    );
    await start();
    cleanUp.defer(() => role.drain());
    wire = await TcpProxy.to('127.0.0.1', Number(role.address.split(':')[1]));
    cleanUp.defer(() => wire.close());
    await publish(placed(adas), placed(bobs));
  });
  afterAll(() => cleanUp.disposeAsync());

  it('is an event a line, which no event can break or colour', { timeout }, async () => {
    const { stdout, code } = await journal('--order', bobs.orderId.slice(-8)).ended;
    const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/.source;
    expect(stdout).toMatch(
      new RegExp(
        String.raw`^${time} {2}\d+ {2}orders\.placed {2}${bobs.orderId.slice(-8)} {2}shopper="B\\u009b31mb" {2}total\.minor=300 {2}total\.currency=EUR$`,
      ),
    );
    expect(code).toBe(0);
  });

  it('is JSON of one CloudEvent a line, from any of its positions on', { timeout }, async () => {
    const lines = async (...args: string[]) =>
      (await journal('--json', ...args).ended).stdout.split('\n').map((line) => JSON.parse(line));
    const [first, second] = await lines();
    expect(first).toMatchObject({
      specversion: '1.0',
      type: 'orders.placed',
      source: '/orders',
      partitionkey: adas.orderId,
      correlationid: adas.orderId,
      causationid: 'request',
      datacontenttype: 'application/json',
      data: { orderId: adas.orderId, shopper: 'Ada', total: { minor: '300', currency: 'EUR' } },
    });
    expect(await lines('--from', String(second.position))).toEqual([second]);
  });

  it('is followed over a cut and a restart of the gateway: all of it, once, until Ctrl-C', { timeout }, async () => {
    const following = journal('--follow', '--json', '--order', adas.orderId);
    await following.line(/orders\.placed/);
    const [cut] = await publish(placed());
    await following.line(new RegExp(cut!));
    wire.cut();
    await following.line(/; going on when it is back$/);
    const [back] = await publish(placed());
    await following.line(new RegExp(back!));
    const { address } = role;
    await role.drain();
    const [missed] = await publish(placed());
    await start(address);
    await following.line(new RegExp(missed!));
    const { code, stdout } = await following.kill('SIGINT');
    const ids = stdout.split('\n').map((line) => JSON.parse(line).id);
    expect(ids.slice(-3)).toEqual([cut, back, missed]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(code).toBe(0);
  });

  it('is followed over a network that loses everything for a while, which nobody tells it', { timeout }, async () => {
    const following = journal('--follow', '--json', '--order', adas.orderId);
    await following.line(/orders\.placed/);
    wire.blackhole();
    const [missed] = await publish(placed());
    await following.line(/; going on when it is back$/);
    // What was on its way is lost with its connection, and those that are tried meanwhile get no answer either.
    wire.cut();
    await wire.restore();
    await following.line(new RegExp(missed!));
    const { stdout, code } = await following.kill('SIGINT');
    const ids = stdout.split('\n').map((line) => JSON.parse(line).id);
    expect(ids.filter((id) => id === missed)).toHaveLength(1);
    expect(code).toBe(0);
  });

  it('ends when nobody reads it any more', { timeout }, async () => {
    const following = journal('--follow', '--from', '0');
    await following.line(/orders\.placed/);
    following.child.stdout!.destroy();
    await publish(placed(), placed());
    expect(await once(following.child, 'exit')).toEqual([0, null]);
  });

  it('says what is wrong with where to begin', { timeout }, async () => {
    expect(await journal('--from', 'yesterday').ended).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('an age such as'),
    });
  });
}

import { afterEach, expect, test } from 'vitest';
import { unavailable } from '../../src/contract/errors.ts';
import { RegistryService, Status } from '../../src/gen/protocol/v1/protocol.ts';
import type { Api } from '../../src/rpc/api.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { implement, startServer } from '../../src/rpc/server.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

let cleanUp = new AsyncDisposableStack();
afterEach(async () => {
  await cleanUp.disposeAsync();
  cleanUp = new AsyncDisposableStack();
});

async function serve(methods: Partial<Api<RegistryService>>) {
  const telemetry = recordingTelemetry('hub');
  const implementation = implement(RegistryService, methods as Api<RegistryService>, telemetry);
  const server = await startServer('127.0.0.1:0', [{ definition: RegistryService, implementation }]);
  cleanUp.defer(() => server.drain());
  const client = connectClient(RegistryService, server.address, telemetry);
  cleanUp.defer(() => client.close());
  return client.api;
}

const status = (kind: string) => Status.fromPartial({ kinds: [{ kind }] });
const kindOf = ({ kinds }: Status) => kinds[0]!.kind;

async function all(statuses: AsyncIterable<Status>): Promise<Status[]> {
  const read: Status[] = [];
  for await (const each of statuses) read.push(each);
  return read;
}

test('a stream comes as it was written, to its end', async () => {
  const api = await serve({
    async *watchStatus({ kind }) {
      for (const each of ['a', 'b', 'c']) yield status(kind + each);
    },
  });
  expect((await all(api.watchStatus({ kind: 'k' }))).map(kindOf)).toEqual(['ka', 'kb', 'kc']);
});

test('a stream is written no faster than it is read', async () => {
  const count = 3_000;
  let written = 0;
  const api = await serve({
    async *watchStatus() {
      for (; written < count; written++) yield status('x'.repeat(20_000));
    },
    getStatus: async () => status(''),
  });
  const lead: number[] = [];
  for await (const _ of api.watchStatus({ kind: '' })) {
    // Time for the server to run ahead, if it would.
    await api.getStatus({ kind: '' });
    lead.push(written - lead.length);
    if (lead.length === 50) break;
  }
  expect(Math.max(...lead)).toBeLessThan(count / 10);
});

test('a stream that fails ends with the error, behind what came before it', async () => {
  const api = await serve({
    async *watchStatus() {
      yield status('before');
      throw unavailable('this hub goes away', 'HUB_DRAINING');
    },
  });
  const read: string[] = [];
  const reading = (async () => {
    for await (const each of api.watchStatus({ kind: '' })) read.push(kindOf(each));
  })();
  await expect(reading).rejects.toMatchObject({ code: 'UNAVAILABLE', detail: { reason: 'HUB_DRAINING' } });
  expect(read).toEqual(['before']);
});

test.each(['stops reading', 'aborts'])(
  'the writer hears of it when the reader %s, who hears of no error',
  async (how) => {
    const hungUp = Promise.withResolvers<void>();
    const api = await serve({
      async *watchStatus(_, options) {
        options?.signal?.addEventListener('abort', () => hungUp.resolve());
        yield status('first');
        await hungUp.promise;
      },
    });
    const stop = new AbortController();
    for await (const _ of api.watchStatus({ kind: '' }, { signal: stop.signal })) {
      if (how === 'aborts') stop.abort();
      else break;
    }
    await hungUp.promise;
  },
);

test('a stream that nobody serves says so', async () => {
  const client = connectClient(RegistryService, '127.0.0.1:1', recordingTelemetry('desk'));
  cleanUp.defer(() => client.close());
  await expect(all(client.api.watchStatus({ kind: '' }))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

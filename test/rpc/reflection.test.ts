import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Code } from '../../src/contract/errors.ts';
import { DepotService, ShoppingList as List, ListState } from '../../src/gen/depot/v1/depot.ts';
import { HubService } from '../../src/gen/fleet/v1/fleet.ts';
import {
  ServerReflectionClient,
  ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../../src/gen/grpc/reflection/v1/reflection.ts';
import type { Api } from '../../src/rpc/api.ts';
import { implement, type RpcServer, startServer } from '../../src/rpc/server.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

type Question = NonNullable<ServerReflectionRequest['messageRequest']>;

let server: RpcServer;
let client: ServerReflectionClient;
beforeEach(async () => {
  const api: Partial<Api<DepotService>> = {
    getList: async ({ orderId }) => List.fromPartial({ orderId, state: ListState.CREATED }),
  };
  server = await startServer('127.0.0.1:0', [
    {
      definition: DepotService,
      implementation: implement(DepotService, api as Api<DepotService>, recordingTelemetry('depot')),
    },
    { definition: HubService, implementation: { session: (call: { end(): void }) => call.end() } },
  ]);
  client = new ServerReflectionClient(server.address, credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  await server.drain();
});

/** Asks all of it on one stream at once, and ends; answers in the order in which they came. */
async function ask(...questions: Array<Question | undefined>): Promise<ServerReflectionResponse[]> {
  const stream = client.serverReflectionInfo();
  for (const messageRequest of questions) stream.write(ServerReflectionRequest.create({ host: 'h', messageRequest }));
  stream.end();
  return stream.toArray() as Promise<ServerReflectionResponse[]>;
}

async function filesWith(question: Question): Promise<string[]> {
  const [response] = await ask(question);
  const answer = response!.messageResponse;
  if (answer?.$case !== 'fileDescriptorResponse') throw new Error(`answered ${JSON.stringify(answer)}`);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

/** A client of gRPC that has no protos of ours. */
const curl = async (...args: string[]) => {
  const plain = ['curl', '--http2-prior-knowledge', '--protocol', 'grpc', ...args];
  return (await promisify(execFile)(resolve('node_modules/.bin/buf'), plain, { cwd: '/', encoding: 'utf8' })).stdout;
};

describe('reflection', () => {
  test.each(['grpc-v1', 'grpc-v1alpha'])(
    'lets a tool without protos list the methods and call one, by %s',
    async (version) => {
      const reflect = ['--reflect-protocol', version];

      const methods = (await curl(...reflect, '--list-methods', `http://${server.address}`)).trim().split('\n');
      const called = await curl(
        ...reflect,
        '-d',
        '{"orderId": "o1"}',
        `http://${server.address}/depot.v1.Depot/GetList`,
      );

      expect(methods).toEqual(
        expect.arrayContaining([
          'depot.v1.Depot/GetList',
          'fleet.v1.Hub/Session',
          'grpc.health.v1.Health/Check',
          'grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        ]),
      );
      expect(methods.some((method) => method.startsWith('payments.'))).toBe(false);
      expect(JSON.parse(called)).toMatchObject({ orderId: 'o1' });
    },
  );

  test('answers with a file and all that it imports, whatever of it was asked for', async () => {
    const symbols = [
      'fleet.v1.Hub',
      'fleet.v1.Hub.Session',
      'fleet.v1.HubFrame',
      'fleet.v1.HubFrame.seq',
      'fleet.v1.HubFrame.body',
      'fleet.v1.NackReason',
    ];
    const expected = await filesWith({ $case: 'fileByFilename', value: 'fleet/v1/fleet.proto' });

    expect(expected[0]).toBe('fleet/v1/fleet.proto');
    expect(expected).toContain('google/protobuf/timestamp.proto');
    for (const value of symbols) expect(await filesWith({ $case: 'fileContainingSymbol', value })).toEqual(expected);
  });

  test('says what it does not know, and goes on', async () => {
    const answers = await ask(
      { $case: 'fileByFilename', value: 'fleet/v9/fleet.proto' },
      { $case: 'fileContainingSymbol', value: 'fleet.v1.Hub.Nothing' },
      { $case: 'fileContainingSymbol', value: '' },
      { $case: 'fileContainingExtension', value: { containingType: 'fleet.v1.HubFrame', extensionNumber: 100 } },
      { $case: 'allExtensionNumbersOfType', value: 'fleet.v1.Nothing' },
      undefined,
      { $case: 'allExtensionNumbersOfType', value: 'fleet.v1.HubFrame' },
      { $case: 'listServices', value: '' },
    );

    const codes = answers.map(({ messageResponse: answer }) =>
      answer?.$case === 'errorResponse' ? answer.value.errorCode : answer?.$case,
    );
    const { NOT_FOUND, INVALID_ARGUMENT } = Code;
    expect(codes).toEqual([
      ...Array(5).fill(NOT_FOUND),
      INVALID_ARGUMENT,
      'allExtensionNumbersResponse',
      'listServicesResponse',
    ]);
    expect(answers[0]!.messageResponse?.value).toMatchObject({
      errorMessage: 'file "fleet/v9/fleet.proto" is not known here; list_services says what is',
    });
    expect(answers[0]!.originalRequest?.messageRequest).toEqual({
      $case: 'fileByFilename',
      value: 'fleet/v9/fleet.proto',
    });
  });

  test('gives descriptors from which every service it lists can be built', async () => {
    const [listed] = await ask({ $case: 'listServices', value: '' });
    const answer = listed!.messageResponse;
    if (answer?.$case !== 'listServicesResponse') throw new Error(`answered ${JSON.stringify(answer)}`);
    expect(answer.value.service.map(({ name }) => name)).toEqual([
      'depot.v1.Depot',
      'fleet.v1.Hub',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
    ]);

    for (const { name } of answer.value.service) {
      const [described] = await ask({ $case: 'fileContainingSymbol', value: name });
      const found = described!.messageResponse;
      if (found?.$case !== 'fileDescriptorResponse') throw new Error(`answered ${JSON.stringify(found)}`);
      const file = found.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
      const registry = createFileRegistry(file[0]!, (imported) => file.find(({ name }) => name === imported));
      expect(registry.getService(name)?.methods.length).toBeGreaterThan(0);
    }
  });

  test('answers a burst of questions in their order, each once', async () => {
    const names = Array.from({ length: 500 }, (_, index) => (index % 2 ? 'fleet/v1/fleet.proto' : `${index}.proto`));

    const answers = await ask(...names.map((value) => ({ $case: 'fileByFilename', value }) as const));

    expect(answers.map(({ originalRequest }) => originalRequest?.messageRequest?.value)).toEqual(names);
    expect(answers.filter(({ messageResponse }) => messageResponse?.$case === 'errorResponse')).toHaveLength(250);
  });

  test('ends with OK when its server drains, however long the tool would have kept the stream', async () => {
    const stream = client.serverReflectionInfo();
    const status = new Promise<number>((resolve) => stream.on('status', ({ code }) => resolve(code)));
    const answered = new Promise((resolve) => stream.once('data', resolve));
    stream.write(ServerReflectionRequest.create({ messageRequest: { $case: 'listServices', value: '' } }));
    await answered;

    await server.drain();

    expect(await status).toBe(0);
  });

  test('goes on when a tool breaks off in the middle of a question', async () => {
    const stream = client.serverReflectionInfo();
    const gone = new Promise((resolve) => stream.on('error', resolve));
    stream.write(ServerReflectionRequest.create({ messageRequest: { $case: 'listServices', value: '' } }));
    stream.cancel();
    await gone;

    const [listed] = await ask({ $case: 'listServices', value: '' });

    expect(listed!.messageResponse?.$case).toBe('listServicesResponse');
  });
});

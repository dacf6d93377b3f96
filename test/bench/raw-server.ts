import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import postgres from 'postgres';
import { type Channel, Connection } from 'rabbitmq-client';
import { type RawServerCall, rawMethods } from './raw-stream.ts';
import { usage } from './usage.ts';
import { serve } from './worker.ts';

/** As many as the hub's pool has. */
const databaseConnections = 10;
/** As many as the hub takes from its queue. */
const prefetch = 256;

const durable = { durable: true, contentType: 'application/octet-stream' } as const;

/** The least that a hub could do, in a process of its own: gRPC, the broker's and the database's drivers, and nothing else. */
const commands = {
  usage,

  async listen({ port, maxStreams }: { port: number; maxStreams: number }): Promise<string> {
    const server = new Server({ 'grpc.max_concurrent_streams': maxStreams });
    server.addService(rawMethods as unknown as ServiceDefinition, { echo, publish, hear, dispatch, teach });
    const bound = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, taken) =>
        error ? reject(error) : resolve(taken),
      );
    });
    return `127.0.0.1:${bound}`;
  },

  /** From now on `publish` publishes to `exchange`. */
  async publishTo({ amqpUrl, exchange }: { amqpUrl: string; exchange: string }): Promise<void> {
    const channel = publisher?.channel ?? (await open(amqpUrl));
    if (!publisher) await channel.confirmSelect();
    publisher = { channel, exchange };
  },

  /** From now on `dispatch` hands out what comes to `queue`. */
  async dispatchFrom({ amqpUrl, queue, databaseUrl }: Record<'amqpUrl' | 'queue' | 'databaseUrl', string>) {
    const sql = postgres(databaseUrl, { max: databaseConnections, onnotice: () => undefined });
    await sql`create table bench_tasks (id text primary key, body bytea not null, bot int, state text not null)`;
    const consuming = await open(amqpUrl);
    await consuming.basicQos({ prefetchCount: prefetch });
    let turn = 0;
    await consuming.basicConsume({ queue }, async ({ messageId = '', body, deliveryTag }) => {
      await sql.begin((tx) => tx`insert into bench_tasks values (${messageId}, ${body}, null, 'QUEUED')`);
      consuming.basicAck({ deliveryTag });
      turn = (turn + 1) % waiting.length;
      await sql.begin(async (tx) => {
        await tx`select * from bench_tasks where id = ${messageId} for update skip locked`;
        await tx`update bench_tasks set state = 'OFFERED', bot = ${turn} where id = ${messageId}`;
      });
      waiting[turn]?.write(Buffer.concat([Buffer.from(messageId), body]));
    });
  },

  /** Writes the bytes to all who are there to be taught; resolves when each has answered. */
  async push({ bytes }: { bytes: Uint8Array }): Promise<void> {
    await new Promise<void>((resolve) => {
      answersLeft = { count: taught.length, resolve };
      for (const call of taught) call.write(Buffer.from(bytes));
    });
  },
};

export type RawServerCommands = typeof commands;

let publisher: { channel: Channel; exchange: string } | undefined;
const waiting: RawServerCall[] = [];
const taught: RawServerCall[] = [];
let answersLeft = { count: 0, resolve: () => {} };

async function open(amqpUrl: string): Promise<Channel> {
  const connection = new Connection({ url: amqpUrl, noDelay: true });
  connection.on('error', () => undefined);
  return connection.acquire();
}

const opened = (call: RawServerCall) => call.on('end', () => call.end()).on('error', () => undefined);

function echo(call: RawServerCall): void {
  opened(call).on('data', (bytes: Buffer) => call.write(bytes));
}

/** The minimal path of a report: a frame in, a confirm, an answer. */
function publish(call: RawServerCall): void {
  opened(call).on('data', async (bytes: Buffer) => {
    await publisher!.channel.basicPublish({ exchange: publisher!.exchange, routingKey: '', ...durable }, bytes);
    call.write(bytes);
  });
}

/** What an idle bot needs: somebody who listens. Says one thing, so that the bot knows that it is connected. */
function hear(call: RawServerCall): void {
  call.write(Buffer.of(1));
  opened(call).on('data', () => undefined);
}

/** The minimal path of a task: a message in, two transactions, a frame out. */
function dispatch(call: RawServerCall): void {
  waiting.push(call);
  hear(call);
}

/** The minimal path of a revision: a frame out, what a bot says of it in. */
function teach(call: RawServerCall): void {
  taught.push(call);
  call.write(Buffer.of(1));
  let isKnown = false;
  opened(call).on('data', () => {
    // What a bot says when it comes is no answer.
    if (isKnown) answersLeft.count -= 1;
    isKnown = true;
    if (answersLeft.count === 0) answersLeft.resolve();
  });
}

serve(commands);

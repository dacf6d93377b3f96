// A bot that serves kinds that it has never heard of. Start it with the address of a hub: node bots/sdk/any-kind-example.ts 127.0.0.1:7001
import { setTimeout as sleep } from 'node:timers/promises';
import { anyKind, connectBot } from './index.ts';

const hub = process.argv[2] ?? '127.0.0.1:7001';
/** Stands for going there and looking. */
const workMs = 50;

const bot = connectBot({
  hub,
  botId: 'any-kind-bot',
  accept: ({ kind }) => kind !== 'demolish' || 'this robot breaks nothing',
  kinds: [
    anyKind.serve(async (task) => {
      console.log(`${task.schema.kind} for order ${task.orderId}: ${JSON.stringify(task.payload)}`);
      await sleep(workMs, undefined, { signal: task.signal });
      // The names are those of the revision that the task is written in: ask for what may be there.
      const shelf = task.field('shelf') ?? 'nowhere';
      const { progress, result } = task.messages;
      if (progress.fields.some(({ name }) => name === 'seen')) await task.progress({ seen: `a look at ${shelf}` });
      return Object.fromEntries(
        result.fields.filter(({ name }) => name === 'is_tidy').map(({ jsonName }) => [jsonName, true]),
      );
    }),
  ],
});

bot.on('revision', ({ schema, reason }) => {
  if (reason !== '') console.log(`no ${schema?.kind} revision ${schema?.revision}: ${reason}`);
});
bot.on('state', (state) => {
  if (state.at === 'ready') console.log(`connected to hub ${state.hubId}`);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void bot.drain({ reason: signal }));

const refusal = await bot.closed;
if (refusal) {
  console.error(refusal.message);
  process.exitCode = 1;
}

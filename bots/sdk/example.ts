// A whole bot. Start it with the address of a hub: node bots/sdk/example.ts 127.0.0.1:7001
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBot, returnKind, shopKind, TaskFailed } from './index.ts';

const hub = process.argv[2] ?? '127.0.0.1:7001';
/** Stands for walking and gripping. */
const workMs = 50;
let position = { x: 0, y: 0 };

const bot = connectBot({
  hub,
  botId: 'example-bot',
  position: () => position,
  battery: () => 0.9,
  kinds: [
    shopKind.serve(async (task) => {
      console.log(`order ${task.orderId}: ${task.payload.stops.length} stops, attempt ${task.attempt}`);
      const lines = [];
      for (const [stopIndex, stop] of task.payload.stops.entries()) {
        if (!stop.place) throw new TaskFailed({ reason: `store ${stop.storeName} has no place`, retryable: false });
        // The signal says when to stop: the order is cancelled, or the task is another bot's.
        await sleep(workMs, undefined, { signal: task.signal });
        position = stop.place;
        console.log(`  at ${stop.storeName}`);
        await task.progress({ step: { $case: 'stopReached', value: { storeId: stop.storeId, stopIndex } } });
        for (const { lineId, productId, name, quantity } of stop.items) {
          const { storeId } = stop;
          // A step is a span in the order's trace; what is reported through it points there.
          await task.step('pick item', {}, async (step) => {
            await sleep(workMs, undefined, { signal: task.signal });
            await step.progress({ step: { $case: 'itemPicked', value: { lineId, productId, storeId, quantity } } });
          });
          console.log(`  picked ${quantity} x ${name}`);
          lines.push({ lineId, picked: quantity, short: 0 });
        }
      }
      console.log(`  done`);
      return { lines, walkedMetres: 0 };
    }),
    // What it had picked for an order whose task it lost goes back to the stores; only this bot is asked, since it has the goods.
    returnKind.serve(async (task) => {
      console.log(`order ${task.orderId}: goods of a lost attempt go back`);
      for (const { storeId, storeName, place, items } of task.payload.stops) {
        await sleep(workMs, undefined, { signal: task.signal });
        position = place ?? position;
        for (const { lineId, productId, name, quantity } of items) {
          await task.progress({ step: { $case: 'itemReturned', value: { lineId, productId, storeId, quantity } } });
          console.log(`  returned ${quantity} x ${name} to ${storeName}`);
        }
      }
      return { walkedMetres: 0 };
    }),
  ],
});

bot.on('state', (state) => {
  if (state.at === 'ready') console.log(`connected to hub ${state.hubId}`);
  if (state.at === 'waiting') console.log(`not connected (${state.reason}), again in ${state.retryInMs} ms`);
});
// Ends the task under way, then says goodbye.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void bot.drain({ reason: signal }));

const refusal = await bot.closed;
if (refusal) {
  console.error(refusal.message);
  process.exitCode = 1;
}

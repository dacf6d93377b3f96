import { connectBot, fileStore, shopKind } from '../../bots/sdk/index.ts';

/**
 * `node stored-bot.ts <host:port> <bot id> <file>`: a robot whose program is killed. Each message of its parent lets it take one more of the three
 * steps of its task, and then end it.
 */
const [hub = '', botId = '', file = ''] = process.argv.slice(2);
const stepCount = 3;

let isLetOn = Promise.withResolvers<void>();
let letOn = 0;
process.on('message', () => {
  letOn += 1;
  isLetOn.resolve();
  isLetOn = Promise.withResolvers();
});
process.on('disconnect', () => process.exit());

async function turn(): Promise<void> {
  while (letOn === 0) await isLetOn.promise;
  letOn -= 1;
}

connectBot({
  hub,
  botId,
  store: fileStore(file),
  kinds: [
    shopKind.serve(async (task) => {
      for (let stopIndex = task.resumedFrom.length; stopIndex < stepCount; stopIndex++) {
        await turn();
        await task.progress({ step: { $case: 'stopReached', value: { storeId: 'store', stopIndex } } });
      }
      await turn();
      return { lines: [], walkedMetres: 1 };
    }),
  ],
});

import { onTestFinished } from 'vitest';
import { type Bot, type BotOptions, connectBot, type Handler, shopKind } from '../../bots/sdk/index.ts';
import { type ShopProgress, type ShopResult, ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { type ScriptedHub, startScriptedHub } from '../support/scripted-hub.ts';

export type ShopHandler = Handler<ShopTask, ShopProgress, ShopResult>;

/** At most a few ms: these tests wait for what happens, not for the clock. */
export const quick = { firstMs: 1, maxMs: 5, factor: 1 };
/** For `expect.poll`: busy machines are slow, and what is waited for comes. */
export const patient = { timeout: 20_000, interval: 5 };
export const schema = { kind: shopKind.kind, revision: shopKind.revision, digest: shopKind.digest };
export const emptyTask = {
  schema,
  orderId: 'order-1',
  payload: Buffer.from(ShopTask.encode({ orderId: 'order-1', stops: [], depot: { x: 0, y: 0 } }).finish()),
};

export const reached = (stopIndex: number): ShopProgress => ({
  step: { $case: 'stopReached', value: { storeId: 'store', stopIndex } },
});
export const nothingPicked: ShopResult = { lines: [], walkedMetres: 12 };

/** A hub to be played by the test and a bot that connects to it; both go with the test. */
export async function hubAndBot(
  handler: ShopHandler,
  options: Partial<BotOptions> & { credits?: number } = {},
): Promise<{ hub: ScriptedHub; bot: Bot }> {
  const hub = await startScriptedHub();
  const bot = connectBot({
    hub: hub.address,
    botId: 'bot-1',
    kinds: [shopKind.serve(handler, { credits: options.credits ?? 1 })],
    reconnect: quick,
    ...options,
  });
  onTestFinished(async () => {
    await bot.kill();
    await hub[Symbol.asyncDispose]();
  });
  return { hub, bot };
}

/** A promise and what settles it. */
export const gate = () => Promise.withResolvers<void>();

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { startScriptedHub } from '../support/scripted-hub.ts';
import { schema } from './robot.ts';

const example = fileURLToPath(new URL('../../bots/sdk/example.ts', import.meta.url));

it('the example is a whole bot: it works on a task, says what it does, and leaves on SIGINT', {
  timeout: 30_000,
}, async () => {
  const hub = await startScriptedHub();
  const bot = spawn(process.execPath, [example, hub.address], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(bot, 'close');
  onTestFinished(async () => {
    bot.kill('SIGKILL');
    await hub[Symbol.asyncDispose]();
  });
  const printed: string[] = [];
  createInterface({ input: bot.stdout }).on('line', (line) => printed.push(line));

  const session = await hub.nextSession();
  await session.welcome();
  const items = [{ lineId: 'l', productId: 'p', sku: 'tea', name: 'Tea', quantity: 2 }];
  const stops = [{ storeId: 's', storeName: 'Greens', place: { x: 1, y: 2 }, items }];
  const payload = Buffer.from(ShopTask.encode({ orderId: 'o1', stops, depot: undefined }).finish());
  await session.assign({ taskId: 't', schema, orderId: 'o1', payload });
  await session.next('progress');
  await session.next('progress');
  const { seq } = await session.next('result');
  bot.kill('SIGINT');
  session.ack(seq);
  await expect(session.next('goodbye')).resolves.toMatchObject({ body: { reason: 'SIGINT' } });
  await expect(exited).resolves.toEqual([0, null]);
  expect(printed).toEqual([
    'connected to hub hub-1',
    'order o1: 1 stops, attempt 1',
    '  at Greens',
    '  picked 2 x Tea',
    '  done',
  ]);
});

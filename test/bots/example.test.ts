import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { RevisionStatus } from '../../src/gen/fleet/v1/fleet.ts';
import { ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { inspect, read, written } from '../support/revisions.ts';
import { startScriptedHub } from '../support/scripted-hub.ts';
import { schema } from './robot.ts';

/** The example in a process of its own, welcomed by a hub that the test plays. */
async function run(example: string) {
  const path = fileURLToPath(new URL(`../../bots/sdk/${example}`, import.meta.url));
  const hub = await startScriptedHub();
  const bot = spawn(process.execPath, [path, hub.address], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(bot, 'close');
  onTestFinished(async () => {
    bot.kill('SIGKILL');
    await hub[Symbol.asyncDispose]();
  });
  const printed: string[] = [];
  createInterface({ input: bot.stdout }).on('line', (line) => printed.push(line));
  const session = await hub.nextSession();
  await session.welcome();
  return { bot, exited, printed, session };
}

it('the example is a whole bot: it works on a task, says what it does, and leaves on SIGINT', {
  timeout: 30_000,
}, async () => {
  const { bot, exited, printed, session } = await run('example.ts');
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

it('the example for any kind learns one, does its task, and says what it does not want to learn', {
  timeout: 30_000,
}, async () => {
  const { bot, exited, printed, session } = await run('any-kind-example.ts');
  const one = inspect();
  const unwanted = { ...one, schema: { ...one.schema!, kind: 'demolish' } };
  session.send({ $case: 'protocolOffer', value: { add: [unwanted, one], remove: [], retired: [] } });
  for (let learned = false; !learned; ) {
    const { body } = await session.next('protocolStatus');
    learned = body.schema?.kind === 'inspect' && body.status === RevisionStatus.APPLIED;
  }
  const payload = written(one, 'taskMessage', { shelf: 'A7' });
  await session.assign({ taskId: 't', schema: one.schema!, orderId: 'o1', payload });
  const { body: report } = await session.next('progress');
  expect(read(one, 'progressMessage', report.payload)).toEqual({ seen: 'a look at A7' });
  const { body: result, seq } = await session.next('result');
  expect(read(one, 'resultMessage', result.payload)).toEqual({ isTidy: true });
  bot.kill('SIGINT');
  session.ack(seq);
  await session.next('goodbye');
  await expect(exited).resolves.toEqual([0, null]);
  expect(printed).toEqual([
    'connected to hub hub-1',
    'no demolish revision 1: this robot breaks nothing',
    'inspect for order o1: {"shelf":"A7","photos":0,"priority":"PRIORITY_UNSPECIFIED","serial":"0"}',
  ]);
});

import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectBot, fileStore, shopKind } from '../../bots/sdk/index.ts';
import { Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { startScriptedHub } from '../support/scripted-hub.ts';
import { emptyTask, nothingPicked, quick, reached, type ShopHandler } from './robot.ts';

function newFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'bot-store-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, 'bot-1.log');
}

async function newHub() {
  const hub = await startScriptedHub();
  onTestFinished(() => hub[Symbol.asyncDispose]());
  return hub;
}

function boot(hub: string, file: string, handler: ShopHandler) {
  const kinds = [shopKind.serve(handler)];
  const bot = connectBot({ hub, botId: 'bot-1', kinds, reconnect: quick, store: fileStore(file) });
  onTestFinished(() => bot.kill());
  return bot;
}

const untilKilled: ShopHandler = async (task) => {
  await task.progress(reached(0));
  await task.progress(reached(1));
  return new Promise((_, reject) => task.signal.addEventListener('abort', () => reject(task.signal.reason)));
};

describe('a bot with a file', () => {
  it('that is killed mid-task comes back as the same instance, holds the task, and goes on from what it had reported', async () => {
    const file = newFile();
    const hub = await newHub();
    const before = boot(hub.address, file, untilKilled);
    const first = await hub.nextSession();
    await first.welcome({ resumeToken: Buffer.from('token-1') });
    await first.assign({ ...emptyTask, taskId: 't' });
    first.ack((await first.next('progress')).seq);
    const { seq: unacknowledged } = await first.next('progress');
    await expect.poll(() => before.unacknowledged, { timeout: 20_000 }).toBe(1);
    await before.kill();

    const seen = Promise.withResolvers<unknown>();
    boot(hub.address, file, async (task) => {
      seen.resolve(task.resumedFrom);
      return nothingPicked;
    });
    const second = await hub.nextSession();
    const { body: hello } = await second.welcome({
      verdicts: [{ taskId: 't', fence: 1, verdict: Verdict.CONTINUE }],
    });
    expect(hello).toMatchObject({
      instanceId: before.instanceId,
      bootCount: 2,
      heldTasks: [{ taskId: 't', fence: 1, finished: false }],
    });
    expect(hello.resumeToken.toString()).toBe('token-1');
    expect(await seen.promise).toMatchObject([reached(0), reached(1)]);
    await expect(second.next('progress')).resolves.toMatchObject({ seq: unacknowledged });
    await expect(second.next('result')).resolves.toMatchObject({ seq: unacknowledged + 1 });
  });

  it('forgets a task whose result the hub has', async () => {
    const file = newFile();
    const hub = await newHub();
    const before = boot(hub.address, file, async () => nothingPicked);
    const first = await hub.nextSession();
    await first.welcome();
    await first.assign({ ...emptyTask, taskId: 't' });
    const { seq } = await first.next('result');
    first.ack(seq);
    await expect.poll(() => before.unacknowledged, { timeout: 20_000 }).toBe(0);
    await before.kill();
    boot(hub.address, file, async () => nothingPicked);
    const second = await hub.nextSession();
    expect((await second.welcome()).body.heldTasks).toEqual([]);
    await expect(second.assign({ ...emptyTask, taskId: 'next' })).resolves.toMatchObject({ seq: seq + 2 });
  });
});

describe('the file', () => {
  it('belongs to one process at a time', () => {
    const file = newFile();
    const store = fileStore(file);
    store.open();
    expect(() => fileStore(file).open()).toThrow(`${file} is in use by another process`);
    store.close();
    const next = fileStore(file);
    next.open();
    next.close();
  });

  it('loses a half-written last line, and nothing else', () => {
    const file = newFile();
    const store = fileStore(file);
    store.open();
    store.append('one');
    store.append('two');
    store.close();
    const whole = statSync(file).size;
    appendFileSync(file, '1234abcd thr');
    const again = fileStore(file);
    expect(again.open()).toEqual(['one', 'two']);
    again.close();
    expect(statSync(file).size).toBe(whole);
  });

  it('is refused with its name and the offset when it is damaged', () => {
    const file = newFile();
    const store = fileStore(file);
    store.open();
    store.append('one');
    store.append('two');
    store.close();
    const bytes = readFileSync(file);
    bytes[bytes.indexOf('two')] = 0x58;
    writeFileSync(file, bytes);
    expect(() => fileStore(file).open()).toThrow(`${file} is damaged at byte 13`);
  });

  it('stays small however long the bot lives', async () => {
    const file = newFile();
    const { Outbox } = await import('../../bots/sdk/outbox.ts');
    const { Journal } = await import('../../bots/sdk/journal.ts');
    const journal = new Journal(fileStore(file));
    const outbox = new Outbox(() => {}, 10, journal);
    const value = { taskId: 't', fence: 1, accepted: false, reason: 'x'.repeat(1_000), refusal: 0 as const };
    for (let seq = 1; seq <= 2_000; seq += 1) {
      outbox.answer({ body: { $case: 'offerReply', value }, traceparent: '', task: '' });
      outbox.next(10);
      outbox.acknowledge(seq);
    }
    journal.close();
    expect(statSync(file).size).toBeLessThan(1_200_000);
    const later = new Journal(fileStore(file));
    expect(later.remembered).toMatchObject({ bootCount: 2, lastSeq: 2_000, frames: [] });
    later.close();
  });
});

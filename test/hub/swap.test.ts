import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { migrationsOf } from '../../src/database/migrations.ts';
import type { Orm } from '../../src/database/port.ts';
import { type Swap, swapTasks } from '../../src/hub/change-store.ts';
import type { Task } from '../../src/hub/task-phase.ts';
import { findTask, insertTasks } from '../../src/hub/task-store.ts';
import { type TestDatabase, withDatabase } from '../support/database.ts';
import { shopSchema } from './raw-bot.ts';

const leaseMs = 60_000;
const epoch = 3;

let db: TestDatabase;
beforeAll(async () => {
  db = await withDatabase();
  await db.database.migrate('hub', migrationsOf('hub'));
  await run((orm) =>
    orm.execute(sql`insert into hub.bots (bot_id, instance_id, boot_count, epoch, session_id, hub_id, connected, session_expires_at,
      last_seen_at) values ('b', 'i', 1, ${epoch}, 's', 'h', true, now(), now())`),
  );
});
afterAll(() => db[Symbol.asyncDispose]());

const run = <T>(work: (orm: Orm) => Promise<T>) => db.database.query(work);

async function offered(): Promise<Task> {
  const task: Task = {
    ...{ taskId: newId(), orderId: newId(), schema: shopSchema, payload: Buffer.from('tour'), priority: 0 },
    ...{ deadline: undefined, onlyBotId: '', maxAttempts: 3, position: undefined },
    ...{ traceparent: '', correlationId: '', causationId: '', createdAt: new Date(), since: new Date() },
    ...{ attempt: 1, fence: 0, lost: undefined, pinned: undefined },
    phase: { state: 'QUEUED', notBefore: new Date() },
  };
  const phase = { state: 'OFFERED', botId: 'b', heldUntil: new Date() } as const;
  const offer = { task: { ...task, fence: 1, phase }, botId: 'b', epoch };
  const [added] = await run((orm) => insertTasks(orm, [task], new Map([[task.taskId, offer]]), leaseMs));
  return added!;
}
const leased = (task: Task): Swap => ({
  task: { ...task, phase: { state: 'LEASED', botId: 'b', heldUntil: new Date(0) } },
  epoch,
});
const over = (task: Task): Swap => ({
  task: { ...task, phase: { state: 'SUCCEEDED', botId: 'b', finishedAt: new Date(0) } },
  epoch,
});
const message = (taskId: string) => ({
  ...{ messageId: newId(), name: 'bots.task_succeeded', key: 'k', correlationId: '', causationId: '', traceparent: '' },
  ...{ taskId, fence: 1, body: Buffer.from('done').toString('base64'), occurredAt: new Date() },
});
const told = async (taskId: string) => {
  const rows = await run((orm) =>
    orm.execute<{ body: Buffer }>(sql`select body from hub.outbox where task_id = ${taskId}`),
  );
  return rows.map(({ body }) => body.toString());
};

it('writes a task that nobody has written since, with the database’s clock, and the next time again', async () => {
  const task = await offered();
  const lease = (await run((orm) => swapTasks(orm, [leased(task)], '[]', leaseMs))).get(task.taskId)!;
  expect(await run((orm) => findTask(orm, task.taskId))).toMatchObject({ fence: 1, phase: lease.phase });
  expect(lease.phase).toMatchObject({ state: 'LEASED', heldUntil: expect.any(Date) });
  expect(Math.abs((lease.phase as { heldUntil: Date }).heldUntil.getTime() - Date.now() - leaseMs)).toBeLessThan(
    30_000,
  );

  const messages = JSON.stringify([message(task.taskId)]);
  const done = await run((orm) => swapTasks(orm, [over(lease)], messages, leaseMs));
  expect(done.get(task.taskId)?.phase).toMatchObject({ state: 'SUCCEEDED', finishedAt: expect.any(Date) });
  expect(await run((orm) => findTask(orm, task.taskId))).toMatchObject({ phase: done.get(task.taskId)!.phase });
  expect(await told(task.taskId)).toEqual(['done']);
});

it('writes nothing of a task that somebody has written since, and does not tell of it', async () => {
  const [task, other] = [await offered(), await offered()];
  await run((orm) => swapTasks(orm, [leased(task)], '[]', leaseMs));
  const messages = JSON.stringify([message(task.taskId), message(other.taskId)]);
  const done = await run((orm) => swapTasks(orm, [over(task), over(other)], messages, leaseMs));
  expect([...done.keys()]).toEqual([other.taskId]);
  expect(await run((orm) => findTask(orm, task.taskId))).toMatchObject({ phase: { state: 'LEASED' } });
  expect(await told(task.taskId)).toEqual([]);
  expect(await told(other.taskId)).toEqual(['done']);
});

it('writes nothing on the word of a stream whose bot has a newer one', async () => {
  const task = await offered();
  const done = await run((orm) => swapTasks(orm, [{ ...over(task), epoch: epoch - 1 }], '[]', leaseMs));
  expect(done.size).toBe(0);
  expect(await run((orm) => findTask(orm, task.taskId))).toMatchObject({ phase: { state: 'OFFERED' } });
});

it('waits for who is writing the task, and sees what came of it', async () => {
  const task = await offered();
  let swapping: Promise<ReadonlyMap<string, Task>> | undefined;
  await db.database.transaction(async ({ orm }) => {
    await orm.execute(sql`update hub.tasks set reason = 'first' where task_id = ${task.taskId}`);
    swapping = run((other) => swapTasks(other, [over(task)], JSON.stringify([message(task.taskId)]), leaseMs));
    const isWaiting = () =>
      run(async (third) => {
        const rows = await third.execute(sql`select from pg_stat_activity where wait_event_type = 'Lock'
          and datname = current_database()`);
        return rows.length;
      });
    await expect.poll(isWaiting, { timeout: 10_000 }).toBe(1);
  });
  expect((await swapping!).size).toBe(0);
  expect(await told(task.taskId)).toEqual([]);
  expect(await run((orm) => findTask(orm, task.taskId))).toMatchObject({ phase: { state: 'OFFERED' } });
});

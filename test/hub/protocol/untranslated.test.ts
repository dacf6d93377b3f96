import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { migrationsOf } from '../../../src/database/migrations.ts';
import {
  addUntranslated,
  forgetUntranslated,
  type UntranslatedRow,
} from '../../../src/hub/protocol/majors/translation-store.ts';
import { withDatabase } from '../../support/database.ts';

const keptMs = 3_600_000;

it('forgets what cannot be translated with the task that waits for another bot, and a report when the journal would', async () => {
  await using db = await withDatabase();
  await db.database.migrate('hub', migrationsOf('hub'));
  const row = (taskId: string, part: UntranslatedRow['part'], ageMs = 0): UntranslatedRow => ({
    ...{ taskId, part, attempted: '1', fromKind: 'shop.v2', intoKind: 'shop', digest: 'd', reason: 'r' },
    at: new Date(Date.now() - ageMs),
  });
  await db.database.query(async (orm) => {
    for (const [taskId, state] of [
      ['queued', 'QUEUED'],
      ['running', 'RUNNING'],
    ]) {
      await orm.execute(sql`
        insert into hub.tasks (task_id, order_id, kind, revision, digest, payload, priority, rank, max_attempts, traceparent,
          correlation_id, causation_id, created_at, state, attempt, fence)
        values (${taskId}, 'o', 'shop.v2', 1, 'd', '', 0, 0, 1, '', '', '', now(), ${state}, 1, 1)`);
    }
    await addUntranslated(orm, [
      // However long it waits.
      ...[row('queued', 'task', 2 * keptMs), row('running', 'task'), row('unknown', 'task')],
      ...[row('running', 'progress', keptMs / 2), row('running', 'result', 2 * keptMs)],
    ]);
    await forgetUntranslated(orm, keptMs);
    const left = await orm.execute(sql`select task_id, part from hub.untranslated order by task_id`);
    expect([...left]).toEqual([
      { task_id: 'queued', part: 'task' },
      { task_id: 'running', part: 'progress' },
    ]);
  });
});

import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import type { Orm } from '../../database/port.ts';
import type { Return } from './messages.ts';
import { lines, returnLines, returns } from './store.ts';

export async function insertReturn(orm: Orm, { lines: carried, ...row }: Return): Promise<void> {
  const { taskId } = row;
  await orm.insert(returns).values(row);
  await orm.insert(returnLines).values(carried.map((line) => ({ taskId, ...line })));
}

export async function lockReturn(orm: Orm, taskId: string): Promise<Return | undefined> {
  const [row] = await orm.select().from(returns).where(eq(returns.taskId, taskId)).for('update');
  if (!row) return undefined;
  const carried = await orm
    .select()
    .from(returnLines)
    .where(eq(returnLines.taskId, taskId))
    .orderBy(asc(returnLines.lineId));
  return { ...row, lines: carried.map(({ taskId: _, ...line }) => line) };
}

export async function updateReturn(orm: Orm, { taskId, botId, state, reason, lines: carried }: Return): Promise<void> {
  await orm.update(returns).set({ botId, state, reason }).where(eq(returns.taskId, taskId));
  await orm
    .insert(returnLines)
    .values(carried.map((line) => ({ taskId, ...line })))
    .onConflictDoUpdate({
      target: [returnLines.taskId, returnLines.lineId],
      set: { returned: sql`excluded.returned` },
    });
}

/** The ids of those tasks that still bring something back for the order, oldest attempt first. */
export async function openReturns(orm: Orm, orderId: string): Promise<string[]> {
  const rows = await orm
    .select({ taskId: returns.taskId })
    .from(returns)
    .where(and(eq(returns.orderId, orderId), inArray(returns.state, ['requested', 'under_way'])))
    .orderBy(asc(returns.attempt));
  return rows.map(({ taskId }) => taskId);
}

/** The returns of an order as people ask for them: one row per line, oldest return first. */
export async function readReturns(orm: Orm, orderId: string) {
  return orm
    .select({ bringBack: returns, line: returnLines, name: lines.name })
    .from(returns)
    .innerJoin(returnLines, eq(returnLines.taskId, returns.taskId))
    .innerJoin(lines, and(eq(lines.orderId, returns.orderId), eq(lines.lineId, returnLines.lineId)))
    .where(eq(returns.orderId, orderId))
    .orderBy(asc(returns.attempt), asc(lines.stop), asc(lines.place));
}

export type ReturnRow = Awaited<ReturnType<typeof readReturns>>[number];

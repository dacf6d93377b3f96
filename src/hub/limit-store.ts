import { and, eq, sql } from 'drizzle-orm';
import type { Orm } from '../database/port.ts';
import { botLimits, bots } from './store.ts';

export type BotLimit = typeof botLimits.$inferSelect;

/** All of them, in the order of the table's key: the same limits are the same list. */
export const listLimits = (orm: Orm): Promise<BotLimit[]> =>
  orm.select().from(botLimits).orderBy(botLimits.botId, botLimits.kind);

/** Nothing changes for a bot that never said Hello. */
export async function putLimit(orm: Orm, { botId, kind, most }: BotLimit): Promise<void> {
  await orm.execute(sql`
    insert into ${botLimits} (bot_id, kind, most) select bot_id, ${kind}, ${most} from ${bots} where bot_id = ${botId}
    on conflict (bot_id, kind) do update set most = excluded.most`);
}

export async function dropLimit(orm: Orm, { botId, kind }: Pick<BotLimit, 'botId' | 'kind'>): Promise<void> {
  await orm.delete(botLimits).where(and(eq(botLimits.botId, botId), eq(botLimits.kind, kind)));
}

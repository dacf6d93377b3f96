import { sql } from 'drizzle-orm';
import type { Orm } from '../../database/port.ts';
import { botRevisions } from '../store.ts';
import type { BotWord } from './revision-states.ts';

/** What a bot says of a revision on the stream of this epoch, or that it was told to forget it. */
export interface BotAnswer {
  readonly botId: string;
  readonly epoch: number;
  readonly digest: string;
  readonly status: BotWord;
  /** Why, when rejected. */
  readonly reason: string;
}

/** The newest stream's word counts, and its last one. */
export async function writeAnswers(orm: Orm, answers: readonly BotAnswer[]): Promise<void> {
  await orm.execute(sql`
    insert into ${botRevisions} as s (bot_id, digest, epoch, status, reason, changed_at)
    select a."botId", a.digest, a.epoch, a.status, a.reason, now()
    from jsonb_to_recordset(${JSON.stringify(answers)}::text::jsonb)
      as a("botId" text, digest text, epoch bigint, status text, reason text)
    order by a."botId", a.digest
    on conflict (bot_id, digest) do update set
      epoch = excluded.epoch, status = excluded.status, reason = excluded.reason, changed_at = excluded.changed_at
    where s.epoch <= excluded.epoch`);
}

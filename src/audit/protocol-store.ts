import { sql } from 'drizzle-orm';
import type { Broker } from '../broker/port.ts';
import { originalPart, type PayloadReader, payloadReader } from '../contract/describe-payload.ts';
import { open } from '../contract/message.ts';
import { journal } from '../contract/topology.ts';
import type { Database, Orm } from '../database/port.ts';
import type { Original } from '../gen/events/bots/v1/events.ts';
import { ATTR_BOT_ID, ATTR_SCHEMA_DIGEST } from '../telemetry/attributes.ts';
import { type RecordedSpan, taskOf } from '../telemetry/recorded-span.ts';
import type { ChangeFact, OfferFact, PinFact, ProtocolFacts, ReportFact, WordFact } from './protocol.ts';
import { rows } from './store.ts';

/** Reads every table about the protocol and the whole journal: for a scratch mall or a test. The offers are in the traces: `offersOf`. */
export async function readProtocolFacts(
  database: Database,
  broker: Broker,
  signal: AbortSignal,
): Promise<Omit<ProtocolFacts, 'offers'>> {
  const { revisions, ...tables } = await database.query(async (orm) => ({
    revisions: await readRevisions(orm),
    changes: await readChanges(orm),
    pins: await readPins(orm),
    words: await readWords(orm),
  }));
  const reports = await readReports(broker, revisions, signal);
  return {
    ...tables,
    revisions: revisions.map(({ digest, kind, revision, state }) => ({ digest, kind, revision, state })),
    reports,
  };
}

interface RevisionRow {
  readonly digest: string;
  readonly kind: string;
  readonly revision: number;
  readonly state: string;
  readonly descriptorSet: string;
  readonly progressMessage: string;
  readonly resultMessage: string;
}

const readRevisions = (orm: Orm): Promise<RevisionRow[]> =>
  rows(
    orm,
    sql`
      select digest, kind, revision, state, encode(descriptor_set, 'base64') as "descriptorSet",
        progress_message as "progressMessage", result_message as "resultMessage"
      from hub.revisions order by kind, revision`,
  );

const readChanges = (orm: Orm): Promise<ChangeFact[]> =>
  rows(
    orm,
    sql`
      select digest, to_state as "to", coalesce(percent, 0) as percent, by,
        extract(epoch from at)::float8 * 1000 as "atMs"
      from hub.revision_changes order by id`,
  );

const readPins = (orm: Orm): Promise<PinFact[]> =>
  rows(
    orm,
    sql`
      select task_id as "taskId", kind, state, fence::int as fence, coalesce(pinned_digest, '') as digest
      from hub.tasks`,
  );

/** What the newest Hello listed is applied, and what the bot was told to forget was; else what it answered counts. */
const readWords = (orm: Orm): Promise<WordFact[]> =>
  rows(
    orm,
    sql`
      select bot_id as "botId", jsonb_array_elements_text(k -> 'digests') as digest, 'APPLIED' as status
      from hub.bots, jsonb_array_elements(kinds) k
      union all
      select bot_id, digest, case status when 'FORGOTTEN' then 'APPLIED' else status end from hub.bot_revisions`,
  );

async function readReports(
  broker: Broker,
  revisions: readonly RevisionRow[],
  signal: AbortSignal,
): Promise<ReportFact[]> {
  const byDigest = new Map(revisions.map((row) => [row.digest, row]));
  const readers = new Map<string, PayloadReader>();
  const readerOf = ({ digest, descriptorSet }: RevisionRow): PayloadReader => {
    const reader = readers.get(digest) ?? payloadReader(Buffer.from(descriptorSet, 'base64'));
    readers.set(digest, reader);
    return reader;
  };
  const saidIn = (part: 'progress' | 'result', digest: string, payload: Buffer): ReportFact['said'] => {
    const row = byDigest.get(digest);
    if (!row) return null;
    try {
      return readerOf(row).read(part === 'result' ? row.resultMessage : row.progressMessage, payload);
    } catch {
      return null;
    }
  };
  const found: ReportFact[] = [];
  for await (const entries of broker.read(journal, { follow: false, signal })) {
    for (const { message } of entries) {
      const part = originalPart(message.name);
      if (!part) continue;
      const { original } = open(message).body as { original?: Original };
      if (!original || !message.task) continue;
      const { id: taskId, fence } = message.task;
      const digest = original.schema?.digest ?? '';
      found.push({ messageId: message.id, taskId, fence, digest, said: saidIn(part, digest, original.payload) });
    }
  }
  return found;
}

/** The hub's own spans of its offers, which say what each was offered in. */
export const offersOf = (spans: readonly RecordedSpan[]): OfferFact[] =>
  spans
    .filter(({ service, name }) => service === 'hub' && name.startsWith('offer '))
    .map((span) => ({
      taskId: taskOf(span),
      botId: String(span.attributes[ATTR_BOT_ID] ?? ''),
      digest: String(span.attributes[ATTR_SCHEMA_DIGEST] ?? ''),
      atMs: span.startUs / 1_000,
    }));

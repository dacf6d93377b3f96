import type { Logger } from 'pino';
import { z } from 'zod';
import type { Database } from '../database/port.ts';
import { ATTR_BOT_ID, ATTR_FENCE, ATTR_TASK_ID } from '../telemetry/attributes.ts';
import { Batch } from './batch.ts';
import type { Recall } from './cancel.ts';
import { maxNotesPerNotify, notifyDebounceMs } from './limits.ts';

/** PostgreSQL's notification channel between the hubs of one fleet. */
const channel = 'mallbots_hub';

const note = z.discriminatedUnion('type', [
  z.object({ from: z.string(), type: z.literal('queued') }),
  z.object({ from: z.string(), type: z.literal('protocol') }),
  z.object({ from: z.string(), type: z.literal('herd') }),
  z.object({ from: z.string(), type: z.literal('limits') }),
  z.object({ from: z.string(), type: z.literal('superseded'), botId: z.string(), epoch: z.number() }),
  z.object({
    from: z.string(),
    type: z.literal('recalled'),
    botId: z.string(),
    taskId: z.string(),
    fence: z.number(),
    reason: z.string(),
  }),
]);
type Note = z.infer<typeof note>;

export interface ControlPorts {
  readonly database: Database;
  readonly logger: Logger;
  readonly hubId: string;
  /** Another hub has put tasks into the queue. */
  readonly onQueued: () => void;
  /** Another hub has changed the protocol. */
  readonly onProtocol: () => void;
  /** Bots come to another hub as a herd. */
  readonly onHerd: () => void;
  /** Another hub was told to limit a bot. */
  readonly onLimits: () => void;
  /** The bot has a session of this epoch on another hub. */
  readonly onSuperseded: (botId: string, epoch: number) => void;
  /** A bot that is not on the hub which says so is to stop. */
  readonly onRecalled: (recall: Recall) => void;
}

export interface Control {
  /** Tells the other hubs that tasks are waiting; those of a moment share one notification. */
  tellQueued(): void;
  tellProtocol(): void;
  /** Told at every tick while it lasts, so that one may be lost. */
  tellHerd(): void;
  tellLimits(): void;
  tellSuperseded(botId: string, epoch: number): void;
  tellRecalled(recall: Recall): void;
  close(): Promise<void>;
}

/**
 * What hubs tell each other. Over PostgreSQL and not over the broker, because all of it is about rows that were committed there a moment
 * before, and because a note may be lost: dispatch, the limits of bots and the protocol's catalogue poll, and the next renewal of a superseded session or of a cancelled task's lease finds out.
 */
export async function startControl({
  database,
  logger,
  hubId,
  onQueued,
  onProtocol,
  onHerd,
  onLimits,
  onSuperseded,
  onRecalled,
}: ControlPorts): Promise<Control> {
  let debounce: NodeJS.Timeout | undefined;
  const notes = new Batch<Note, undefined>(maxNotesPerNotify, async (told) => {
    await database.notify(channel, ...told.map((note) => JSON.stringify(note)));
    return told.map(() => undefined);
  });
  const tell = (told: Note) => {
    notes.add(told).catch((error: unknown) => {
      const about = 'botId' in told && { [ATTR_BOT_ID]: told.botId };
      const task = 'taskId' in told && { [ATTR_TASK_ID]: told.taskId, [ATTR_FENCE]: told.fence };
      logger.debug({ err: error, note: told.type, ...about, ...task }, 'a note to the other hubs is lost');
    });
  };
  const hear = (payload: string) => {
    const heard = note.safeParse(parseJson(payload));
    if (!heard.success || heard.data.from === hubId) return;
    if (heard.data.type === 'queued') onQueued();
    else if (heard.data.type === 'protocol') onProtocol();
    else if (heard.data.type === 'herd') onHerd();
    else if (heard.data.type === 'limits') onLimits();
    else if (heard.data.type === 'superseded') onSuperseded(heard.data.botId, heard.data.epoch);
    else onRecalled(heard.data);
  };
  const listening = await database.listen(channel, hear);
  return {
    tellQueued() {
      debounce ??= setTimeout(() => {
        debounce = undefined;
        tell({ from: hubId, type: 'queued' });
      }, notifyDebounceMs);
    },
    tellProtocol: () => tell({ from: hubId, type: 'protocol' }),
    tellHerd: () => tell({ from: hubId, type: 'herd' }),
    tellLimits: () => tell({ from: hubId, type: 'limits' }),
    tellSuperseded: (botId, epoch) => tell({ from: hubId, type: 'superseded', botId, epoch }),
    tellRecalled: (recall) => tell({ from: hubId, type: 'recalled', ...recall }),
    async close() {
      clearTimeout(debounce);
      await listening.close();
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

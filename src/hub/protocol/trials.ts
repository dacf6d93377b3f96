import { fromBinary } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import type { Database } from '../../database/port.ts';
import type { SchemaRef } from '../../gen/fleet/v1/fleet.ts';
import { Loop } from '../../kit/loop.ts';
import { retryBackoff } from '../limits.ts';
import { decoded, type Reading } from '../read-report.ts';
import type { TaskInput } from '../task.ts';
import { isHeld, languageOf, type Task } from '../task-phase.ts';
import type { Catalogue } from './catalogue.ts';
import type { Part } from './majors/parts.ts';
import { tongueOf } from './majors/translator.ts';
import { isMember } from './membership.ts';
import type { Arm, AttemptOutcome } from './rollout-record.ts';
import { type AttemptRow, addReports } from './trial-store.ts';
import type { Share } from './view.ts';

/** Between two writes of what was counted; what a hub that dies takes along is at most this much of many numbers. ms */
const writeEveryMs = 1_000;

export interface TrialPorts {
  readonly database: Database;
  readonly logger: Logger;
  readonly hubId: string;
  readonly catalogue: Pick<Catalogue, 'view'>;
}

/** What this hub observes of the rollouts that are under way. Costs a look into a map where there is none. */
export class Trials {
  readonly #ports: TrialPorts;
  readonly #loop: Loop;
  #counts = new Map<string, { rolloutId: string; arm: Arm; total: number; undecodable: number }>();

  constructor(ports: TrialPorts) {
    this.#ports = ports;
    this.#loop = new Loop(() => this.#write(), {
      pollMs: writeEveryMs,
      backoff: retryBackoff,
      onError: (error, retryInMs) =>
        ports.logger.warn({ err: error, retryInMs }, 'what a rollout was observed to do is not written; tried again'),
    });
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.#write().catch(() => false);
  }

  /** The attempt that a change of a task ends, when that counts for a rollout. */
  ended(before: Task, input: TaskInput['type'], after: Task, now: Date): AttemptRow | undefined {
    const share = this.#ports.catalogue.view.shareOf(languageOf(before).kind);
    if (!share || !isHeld(before.phase) || isHeld(after.phase)) return undefined;
    const { state } = after.phase;
    if (before.phase.state === 'CANCELLING' || state === 'CANCELLED') return undefined;
    const outcome: AttemptOutcome = state === 'SUCCEEDED' ? 'succeeded' : input === 'failed' ? 'failed' : 'lost';
    const arm = armOf(share, before.phase.botId, languageOf(before).digest);
    if (!arm) return undefined;
    const { taskId, fence, since } = before;
    const seconds = Math.max(0, now.getTime() - since.getTime()) / 1_000;
    return { rolloutId: share.rolloutId, taskId, fence, arm, outcome, seconds };
  }

  /** What a report says; `decode` makes it of the payload. */
  reading<T>(schema: SchemaRef, botId: string, part: Part, payload: Uint8Array, decode: () => T): Reading<T> {
    const reading = decoded(() => {
      this.#probe(schema, part, payload);
      return decode();
    });
    this.read(schema, botId, reading.refusal?.reason !== 'PAYLOAD_UNDECODABLE');
    return reading;
  }

  /** A payload could be read, or could not. */
  read({ kind, digest }: SchemaRef, botId: string, isDecodable: boolean): void {
    const share = this.#ports.catalogue.view.shareOf(kind);
    const arm = share && armOf(share, botId, digest);
    if (!share || !arm) return;
    const key = `${share.rolloutId} ${arm}`;
    const count = this.#counts.get(key) ?? { rolloutId: share.rolloutId, arm, total: 0, undecodable: 0 };
    count.total += 1;
    if (!isDecodable) count.undecodable += 1;
    this.#counts.set(key, count);
  }

  /**
   * Decodes the payload in full, when its revision is being tried: those who read it later know fields that this hub has no code for.
   * @throws Error when it is not of its schema
   */
  #probe({ kind, digest }: SchemaRef, part: Part, payload: Uint8Array): void {
    const { view } = this.#ports.catalogue;
    if (view.shareOf(kind)?.digest === digest) fromBinary(tongueOf(view.find(digest)!.offer)[part], payload);
  }

  async #write(): Promise<boolean> {
    if (this.#counts.size === 0) return false;
    const taken = this.#counts;
    this.#counts = new Map();
    const { database, hubId } = this.#ports;
    const counts = [...taken.values()].map((count) => ({ ...count, hubId }));
    try {
      await database.query((orm) => addReports(orm, counts));
    } catch (error) {
      for (const [key, { total, undecodable, ...rest }] of taken) {
        const since = this.#counts.get(key) ?? { ...rest, total: 0, undecodable: 0 };
        this.#counts.set(key, { ...rest, total: since.total + total, undecodable: since.undecodable + undecodable });
      }
      throw error;
    }
    return false;
  }
}

/** Who tries the revision, and who is compared with them: bots outside of the share. Those in it that do not use it say nothing about it. */
function armOf({ rolloutId, digest, percent }: Share, botId: string, spoken: string): Arm | undefined {
  if (spoken === digest) return 'canary';
  return isMember(rolloutId, botId, percent) ? undefined : 'control';
}

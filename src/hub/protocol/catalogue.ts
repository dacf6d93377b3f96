import type { Logger } from 'pino';
import type { Database } from '../../database/port.ts';
import type { Revision } from '../../gen/fleet/v1/fleet.ts';
import { Loop } from '../../kit/loop.ts';
import { retryBackoff } from '../limits.ts';
import { readTranslation } from './majors/document.ts';
import type { LiveTranslation } from './majors/majors.ts';
import { translationsInForce } from './majors/translation-store.ts';
import { descriptorSetsOf, listRevisions, versionsOf } from './registry-store.ts';
import { openRollouts } from './rollout-store.ts';
import { ProtocolView } from './view.ts';

/** The poll behind the notes of the hub that made a change: one small statement. ms */
const pollMs = 2_000;

export interface CataloguePorts {
  readonly database: Database;
  readonly logger: Logger;
  /** There is another view. */
  readonly onChanged: (view: ProtocolView) => void;
}

/** Keeps this hub's view of the protocol as new as the tables: woken by notes, with a poll behind them. A hub that was down reads it all at its start. */
export class Catalogue {
  readonly #ports: CataloguePorts;
  readonly #loop: Loop;
  /** By digest: what it names never changes. */
  #offers: ReadonlyMap<string, Revision> = new Map();
  #translations: readonly LiveTranslation[] = [];
  #view = new ProtocolView(new Map(), [], []);

  constructor(ports: CataloguePorts) {
    this.#ports = ports;
    this.#loop = new Loop(
      async () => {
        await this.refresh();
        return false;
      },
      {
        pollMs,
        backoff: retryBackoff,
        onError: (error, retryInMs) =>
          ports.logger.warn({ err: error, retryInMs }, 'the protocol cannot be read; tried again'),
      },
    );
  }

  get view(): ProtocolView {
    return this.#view;
  }

  /** Resolves when the first view is there. */
  async start(): Promise<this> {
    await this.refresh();
    this.#loop.start();
    return this;
  }

  /** Something has changed, says somebody. */
  wake(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Resolves when the view is what the tables say now. */
  async refresh(): Promise<void> {
    const versions = await this.#ports.database.query(versionsOf);
    if (isSame(versions, this.#view.versions)) return;
    // The versions were read first: what is committed from then on makes the next look find others.
    const read = await this.#ports.database.query(async (orm) => {
      const rows = await listRevisions(orm);
      const unknown = rows.map(({ digest }) => digest).filter((digest) => !this.#offers.has(digest));
      return {
        rows,
        sets: await descriptorSetsOf(orm, unknown),
        rollouts: await openRollouts(orm),
        translations: await translationsInForce(orm),
      };
    });
    // Of two that look at once, who asked first may be answered last.
    if ([...this.#view.versions].some(([kind, version]) => version > (versions.get(kind) ?? 0))) return;
    const offers = new Map(this.#offers);
    const revisions = read.rows.map((row) => {
      const { digest, kind, revision, state, taskMessage, progressMessage, resultMessage } = row;
      const schema = { kind, revision, digest };
      const offer = offers.get(digest) ?? {
        ...{ schema, taskMessage, progressMessage, resultMessage },
        fileDescriptorSet: ownCopy(read.sets.get(digest)!),
      };
      offers.set(digest, offer);
      return { schema, state, offer };
    });
    this.#offers = offers;
    const translations = read.translations.map(({ newer, version, document }): LiveTranslation => {
      const known = this.#translations.find(({ rules }) => rules.newer === newer);
      return known?.version === version ? known : { rules: readTranslation(document), version };
    });
    this.#translations = translations;
    this.#view = new ProtocolView(versions, revisions, read.rollouts, translations);
    this.#ports.logger.info({ protocol: Object.fromEntries(versions) }, 'the protocol has changed');
    this.#ports.onChanged(this.#view);
  }
}

/** In memory of its own: a small buffer is a piece of a block of 8 kB, and what lives on would keep all of that (10.8 kB a revision, measured). */
function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.alloc(bytes.length);
  copy.set(bytes);
  return copy;
}

function isSame(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([kind, version]) => b.get(kind) === version);
}

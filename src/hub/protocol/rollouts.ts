import type { Logger } from 'pino';
import { MallError } from '../../contract/errors.ts';
import { journalMaxAgeMs } from '../../contract/topology.ts';
import { standForLeader, type Term } from '../../database/leader.ts';
import type { Database } from '../../database/port.ts';
import { pause } from '../../kit/backoff.ts';
import { isBuiltIn } from './built-in.ts';
import type { Catalogue } from './catalogue.ts';
import { forgetUntranslated, majorsInForce } from './majors/translation-store.ts';
import { changeRevision } from './registry.ts';
import { blocksRetirement } from './revision.ts';
import { decideRollout } from './rollout.ts';
import { type OpenRollout, openRollouts, saveProgress } from './rollout-store.ts';
import { forgetDecided, readFigures } from './trial-store.ts';
import { readUsage, standingIn } from './usage-store.ts';

/** Between two judgements: what goes wrong with a revision is stopped within seconds. */
const judgeEveryMs = 1_000;
/** Between two looks for revisions that nobody needs any more, and for what was noted of rollouts that are decided and of tasks that wait no more. */
const tidyEveryMs = 10_000;
const by = 'rollout';

export interface RolloutPorts {
  readonly database: Database;
  readonly logger: Logger;
  readonly catalogue: Pick<Catalogue, 'view'>;
  /** A kind has changed, durably. */
  readonly onChanged: () => void;
}

/**
 * Leads rollouts on, back or to their end, as `decideRollout` says. Everything that it goes by is in the tables: a hub that gets the lock goes on
 * where the one before it was killed, and a step that was half written is only seen again.
 */
export function startRollouts(ports: RolloutPorts): { stop(): Promise<void> } {
  const { database, logger } = ports;
  return standForLeader({ database, lock: 'hub:rollouts', logger }, (term) => leadUntil(ports, term));
}

async function leadUntil(ports: RolloutPorts, { signal, progressed }: Term): Promise<void> {
  const { database, logger } = ports;
  for (let tidiedAtMs = Number.NEGATIVE_INFINITY; !signal.aborted; ) {
    const open = await database.query(openRollouts);
    for (const rollout of open) {
      if (signal.aborted) return;
      await judge(ports, rollout).catch((error: unknown) => {
        // No matter of this one: the term ends, and the next begins with back-off.
        if (signal.aborted || (error instanceof MallError && error.code === 'UNAVAILABLE')) throw error;
        const { kind, digest, rolloutId } = rollout;
        logger.error(
          { err: error, kind, digest, rolloutId },
          'a rollout could not be judged; tried again, after the others',
        );
      });
    }
    if (performance.now() - tidiedAtMs >= tidyEveryMs) {
      tidiedAtMs = performance.now();
      await database.query(async (orm) => {
        await forgetDecided(orm);
        await forgetUntranslated(orm, journalMaxAgeMs);
      });
      await drain(ports);
    }
    progressed();
    await pause(judgeEveryMs, signal);
  }
}

async function judge(ports: RolloutPorts, rollout: OpenRollout): Promise<void> {
  const { database, logger } = ports;
  const { kind, digest, rolloutId, percent, kindVersion: basedOn } = rollout;
  const figures = await database.query((orm) => readFigures(orm, rollout));
  const verdict = decideRollout(rollout, figures, new Date());
  // Before the change: if this hub dies in between, the step is judged again and asks for its attempts anew.
  await database.query((orm) => saveProgress(orm, rollout, verdict.progress));
  if (verdict.type === 'stay') return;
  const about = { kind, digest, rolloutId, percent };
  try {
    if (verdict.type === 'ramp') {
      const ramp = { ...rollout.progress.ramp, percents: rollout.progress.ramp.percents.slice(1) };
      const reason = `every gate passed at ${percent} %`;
      await changeRevision(ports, { digest, basedOn, by, reason }, { type: 'canary', percent: verdict.percent, ramp });
      logger.info({ ...about, next: verdict.percent }, 'a revision goes to more bots');
    } else if (verdict.type === 'promote') {
      await changeRevision(ports, { digest, basedOn, by, reason: 'every gate passed' }, { type: 'activate' });
      logger.info(about, 'a revision is promoted');
    } else {
      await changeRevision(ports, { digest, basedOn, by, reason: verdict.reason }, { type: 'rollback' });
      logger.warn({ ...about, reason: verdict.reason }, 'a revision is rolled back');
    }
  } catch (error) {
    if (!(error instanceof MallError)) throw error;
    // An operator was faster: what is to be done now is for the next judgement.
    if (error.code === 'ABORTED') return;
    if (error.code !== 'FAILED_PRECONDITION') throw error;
    // Until a bot connects, say: it is asked for again at each judgement, and logged when it is news.
    const { message } = error;
    await database.query((orm) => saveProgress(orm, rollout, { ...verdict.progress, waitsFor: [message] }));
    if (!rollout.progress.waitsFor.includes(message))
      logger.warn({ ...about, reason: message }, 'a rollout has to wait');
  }
}

/** Deprecated revisions that nobody needs any more: one look at the fleet for all of them, and a change of those that have become free. */
async function drain(ports: RolloutPorts): Promise<void> {
  const { view } = ports.catalogue;
  const deprecated = [...view.revisions].filter(({ state }) => state === 'DEPRECATED');
  if (deprecated.length === 0) return;
  const usage = await ports.database.query(async (orm) => readUsage(orm, await majorsInForce(orm)));
  for (const { schema, state } of deprecated) {
    const { digest, kind } = schema;
    const need = { ...standingIn(usage, digest), builtIn: isBuiltIn(digest) };
    if (blocksRetirement(kind, { state }, need).length > 0) continue;
    const change = {
      digest,
      basedOn: view.versions.get(kind) ?? 0,
      by: 'mallbots',
      reason: 'nobody needs it any more',
    };
    await changeRevision(ports, change, { type: 'drained' }).catch((error: unknown) => {
      if (!(error instanceof MallError) || error.code !== 'ABORTED') throw error;
    });
  }
}

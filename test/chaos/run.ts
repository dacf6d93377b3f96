import { copyFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { check, type Facts, type Violation } from '../../src/audit/checks.ts';
import { createPlace } from '../../src/demo/place.ts';
import type { DemoReport } from '../../src/demo/report.ts';
import { awaitRest, judge } from '../../src/demo/verdict.ts';
import { rootMessage } from '../../src/kit/root-message.ts';
import { NotInTime, PromiseBroken } from './cast.ts';
import type { Fault } from './fault.ts';
import { botCount, type ChaosMall, openChaosMall } from './mall.ts';
import { awaitBusy, recover, spread } from './recovery.ts';
import type { Scheduled } from './schedule.ts';
import type { ChaosServers } from './servers.ts';
import { TraceFiles } from './trace-files.ts';

/** What a fault set off may be under way after the last order has ended; what is not at rest by then is a violation, ms. */
const restPatienceMs = 30_000;
/** A mistake is planted to be found: it is not waited for as long that it may not be one. */
const restPatienceWithDefectMs = 10_000;

export interface Suffered {
  readonly name: string;
  /** From the first order on. */
  readonly atMs: number;
  /** From the end of the fault until the mall was as before; null when it was not. */
  readonly recoveredMs: number | null;
}

export interface ChaosReport extends DemoReport {
  readonly faults: readonly Suffered[];
}

export interface RunOptions {
  readonly servers: ChaosServers;
  readonly seed: number;
  readonly schedule: readonly Scheduled[];
  readonly kinds: readonly Fault[];
  /** Name of the mistake to plant; empty: none. */
  readonly defect: string;
  readonly say: (line: string) => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Keep the processes' log of a run that broke a promise, and say where. */
  readonly keepLog: boolean;
}

/** One mall through one schedule; ends with the first fault that it does not get over. Everything it made is gone afterwards. */
export async function runChaos(options: RunOptions): Promise<ChaosReport> {
  const { servers, seed, defect, say, logger, signal, keepLog } = options;
  const startedAt = Date.now();
  const { databaseUrl, amqpUrl } = servers;
  const place = await createPlace({ purpose: 'chaos', databaseUrl, amqpUrl, logLevel: 'info', logger });
  let isSound = false;
  try {
    const traces = new TraceFiles(join(place.directory, 'traces.jsonl'));
    const mall = await openChaosMall({ servers, place, seed, defect, logger, signal });
    let suffered: Awaited<ReturnType<typeof suffer>>;
    try {
      suffered = await suffer(mall, traces, options);
    } finally {
      await mall[Symbol.asyncDispose]();
    }
    const { facts, faults, broken } = suffered;
    const interrupted = mall.cast.haveLostSpans;
    say(
      `a process was killed: ${interrupted ? 'yes, so traces may have holes' : 'no, so every trace has to be whole'}`,
    );
    const played = { orders: mall.crowd.placed, bots: botCount, interrupted, durationMs: Date.now() - startedAt };
    const report = judge(facts, { ...played, spans: traces.all() });
    const violations = [...broken, ...report.violations];
    isSound = violations.length === 0;
    return { ...report, faults, violations };
  } finally {
    if (keepLog && !isSound) {
      const kept = join(mkdtempSync(join(tmpdir(), 'mallbots_chaos_log-')), 'processes.log');
      copyFileSync(join(place.directory, 'processes.log'), kept);
      say(`the processes' log is kept: ${kept}`);
    }
    // The reason to fail that is under way is not replaced by this one.
    await place.remove().catch((error: unknown) => say(`${place.name} could not be removed: ${rootMessage(error)}`));
  }
}

/** All faults of the schedule, or those up to the first that broke something. */
async function suffer(
  mall: ChaosMall,
  traces: TraceFiles,
  { schedule, kinds, defect, say }: RunOptions,
): Promise<{ facts: Facts; faults: Suffered[]; broken: Violation[] }> {
  const openedAtMs = performance.now();
  const sinceOpening = () => performance.now() - openedAtMs;
  const faults: Suffered[] = [];
  const broken: Violation[] = [];
  const patienceMs = defect ? restPatienceWithDefectMs : restPatienceMs;
  let facts = await awaitRest(mall.database, patienceMs, mall.signal);
  for (const { atMs, fault: name, pick } of schedule) {
    const fault = kinds.find((kind) => kind.name === name)!;
    const attemptsLost = lostAttempts(facts);
    mall.crowd.open();
    let struckAtMs = 0;
    let recoveredMs: number | null = null;
    const noteBroken = (error: unknown) => {
      if (!(error instanceof PromiseBroken)) throw error;
      broken.push({ rule: error.rule, subject: name, message: error.message });
      return error.message;
    };
    try {
      await mall.pass(Math.max(0, atMs - sinceOpening()));
      await spread(mall);
      await awaitBusy(mall);
      struckAtMs = sinceOpening();
      const hit = await fault.inflict(mall, pick).catch(noteBroken);
      recoveredMs = Math.round(await recover(mall, performance.now()));
      say(told(struckAtMs, `${name}: ${hit}; recovered in ${(recoveredMs / 1_000).toFixed(1)} s`));
      await mall.crowd.close();
    } catch (error) {
      if (!(error instanceof NotInTime)) throw error;
      broken.push({ rule: 'the mall gets over it', subject: name, message: error.message });
    }
    faults.push({ name, atMs: Math.round(struckAtMs), recoveredMs });
    facts = await awaitRest(mall.database, recoveredMs === null ? 0 : patienceMs, mall.signal);
    traces.setAside();
    if (mall.crowd.failure)
      broken.push({ rule: 'no shopper has to give up', subject: name, message: mall.crowd.failure });
    const more = lostAttempts(facts) - attemptsLost;
    if (fault.keepsTasks && more > 0) {
      const message = `${more} tasks lost their bot, though it was never gone for as long as a lease`;
      broken.push({ rule: 'a task goes on with its bot', subject: name, message });
    }
    if (broken.length > 0 || check(facts).length > 0) {
      say(told(sinceOpening(), `${name}: promises are broken`));
      break;
    }
  }
  return { facts, faults, broken };
}

/** Attempts after the first of all tasks. */
const lostAttempts = ({ tasks }: Facts): number => tasks.reduce((sum, { attempts }) => sum + attempts - 1, 0);

const told = (ms: number, what: string): string => `${(ms / 1_000).toFixed(1).padStart(6)} s  ${what}`;

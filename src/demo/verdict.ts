import { isUnderWay } from '../audit/books.ts';
import { check, type Facts, type Violation } from '../audit/checks.ts';
import type { SpanFact } from '../audit/spans.ts';
import { readFacts } from '../audit/store.ts';
import { checkTraces, orderTraces } from '../audit/traces.ts';
import type { Database } from '../database/port.ts';
import { pause } from '../kit/backoff.ts';
import { type DemoReport, report } from './report.ts';

const restPollMs = 200;
/** A bot that brings goods back may have to boot or to charge up first: a return is waited for so many times as long while it does not move. */
const returnPatience = 4;

/**
 * The facts of a mall at rest, or what they are when it does not come to rest within `patienceMs` of the end of the last return, a return does
 * not move for too long, or `signal` aborts.
 */
export async function awaitRest(database: Database, patienceMs: number, signal: AbortSignal): Promise<Facts> {
  let giveUpAt = Date.now() + patienceMs;
  let returns = JSON.stringify([]);
  for (;;) {
    const facts = await readFacts(database);
    const underWay = facts.returns.filter(isUnderWay);
    if (returns !== JSON.stringify(underWay)) {
      returns = JSON.stringify(underWay);
      giveUpAt = Date.now() + (underWay.length > 0 ? returnPatience : 1) * patienceMs;
    }
    if (check(facts).length === 0 || Date.now() > giveUpAt || signal.aborted) return facts;
    await pause(restPollMs, signal);
  }
}

export interface Played {
  /** Orders that shoppers placed. */
  readonly orders: number;
  readonly bots: number;
  readonly spans: readonly SpanFact[];
  /** A process was killed, which takes spans with it. */
  readonly interrupted: boolean;
  readonly durationMs: number;
}

/** Holds what the tables say and what was traced against every promise. */
export function judge(facts: Facts, { orders, bots, spans, interrupted, durationMs }: Played): DemoReport {
  const violations: Violation[] = [...check(facts), ...checkTraces(facts, spans, interrupted)];
  if (facts.orders.length !== orders) {
    const message = `${facts.orders.length} orders are in the tables, ${orders} were to be placed`;
    violations.push({ rule: 'every order is placed once', subject: 'orders', message });
  }
  return report(facts, { bots, traces: orderTraces(facts.orders, spans), violations, durationMs });
}

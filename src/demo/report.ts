import type { Facts, Violation } from '../audit/checks.ts';
import type { OrderTrace } from '../audit/traces.ts';
import { isShopping } from '../contract/attempts.ts';
import type { ProtocolReport } from './change/report.ts';

/** What `mallbots demo --json` prints. Money in minor units; counts of single items, not of lines. */
export interface DemoReport {
  readonly orders: { readonly placed: number; readonly completed: number; readonly cancelled: number };
  readonly items: { readonly ordered: number; readonly picked: number; readonly short: number };
  readonly money: {
    readonly currency: string;
    readonly invoiced: number;
    readonly paid: number;
    readonly refunded: number;
  };
  readonly bots: number;
  /** Those of the orders' lists. */
  readonly tasks: {
    readonly succeeded: number;
    readonly failed: number;
    readonly cancelled: number;
    readonly attempts: number;
  };
  /** Of goods that nobody wants: their attempt came to nothing, or their order was cancelled. */
  readonly returns: {
    readonly done: number;
    readonly lost: number;
    readonly items: { readonly carried: number; readonly returned: number };
  };
  readonly traces: readonly OrderTrace[];
  readonly violations: readonly Violation[];
  readonly durationMs: number;
  /** Only with --protocol-change. */
  readonly protocol?: ProtocolReport;
}

export function report(
  facts: Facts,
  rest: Pick<DemoReport, 'bots' | 'traces' | 'violations' | 'durationMs'>,
): DemoReport {
  const { orders, invoices, returns } = facts;
  const tasks = facts.tasks.filter(isShopping);
  const { bots, traces, violations, durationMs } = rest;
  const ordersIn = (...states: string[]) => orders.filter(({ state }) => states.includes(state)).length;
  return {
    orders: { placed: orders.length, completed: ordersIn('COMPLETED'), cancelled: ordersIn('CANCELLED', 'REJECTED') },
    items: {
      ordered: sum(orders, ({ ordered }) => ordered),
      picked: sum(orders, ({ picked }) => picked),
      short: sum(orders, ({ short }) => short),
    },
    money: {
      currency: invoices[0]?.currency ?? '',
      invoiced: sum(invoices, ({ invoiced }) => invoiced),
      paid: sum(invoices, ({ paid }) => paid),
      refunded: sum(invoices, ({ refunded }) => refunded),
    },
    bots,
    tasks: {
      succeeded: tasks.filter(({ state }) => state === 'SUCCEEDED').length,
      failed: tasks.filter(({ state }) => state === 'FAILED' || state === 'POISON').length,
      cancelled: tasks.filter(({ state }) => state === 'CANCELLED').length,
      attempts: sum(tasks, ({ attempts }) => attempts),
    },
    returns: {
      done: returns.filter(({ state }) => state === 'done').length,
      lost: returns.filter(({ state }) => state === 'lost').length,
      items: {
        carried: sum(returns, ({ carried }) => carried),
        returned: sum(returns, ({ returned }) => returned),
      },
    },
    traces,
    violations,
    durationMs,
  };
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

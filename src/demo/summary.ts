import { formatMoney } from '../contract/money.ts';
import type { ProtocolReport } from './change/report.ts';
import type { DemoReport } from './report.ts';

/** The report for people. */
export function printSummary(report: DemoReport, print: (line: string) => void): void {
  const { orders, items, tasks, returns, traces, violations, durationMs } = report;
  const { currency, invoiced, paid, refunded } = report.money;
  const amount = (minor: number) => (currency ? formatMoney({ minor, currency }) : '0');
  const services = new Set(traces.flatMap((trace) => trace.services)).size;
  const spans = traces.reduce((sum, trace) => sum + trace.spans, 0);
  print('');
  print(`orders   ${orders.placed} placed, ${orders.completed} completed, ${orders.cancelled} cancelled`);
  print(`items    ${items.ordered} ordered, ${items.picked} picked, ${items.short} short`);
  print(`money    ${amount(invoiced)} invoiced, ${amount(paid)} paid, ${amount(refunded)} refunded`);
  const ends = [`${tasks.succeeded} succeeded`, `${tasks.failed} failed`];
  if (tasks.cancelled > 0) ends.push(`${tasks.cancelled} cancelled`);
  print(`tasks    ${ends.join(', ')}, in ${tasks.attempts} attempts by ${report.bots} bots`);
  if (returns.done + returns.lost > 0) {
    const { carried, returned } = returns.items;
    print(`returns  ${returns.done} done, ${returns.lost} lost: ${returned} of ${carried} items are back`);
  }
  print(`traces   ${traces.length}, one per order: ${spans} spans of ${services} services`);
  if (report.protocol) printProtocol(report.protocol, print);
  print(`time     ${(durationMs / 1_000).toFixed(1)} s`);
  print(violations.length === 0 ? 'checks   every promise kept' : `checks   ${violations.length} promises broken:`);
  for (const { rule, subject, message } of violations) print(`  ${rule}: ${subject}: ${message}`);
}

/** What the fleet's language came to, a line a kind. */
function printProtocol({ revisions, newField, inspections }: ProtocolReport, print: (line: string) => void): void {
  for (const [kind, of] of Map.groupBy(revisions, ({ kind }) => kind)) {
    const told = of.map(({ revision, state, tasks }) => `revision ${revision} ${state} after ${tasks} tasks`);
    print(`protocol ${kind}: ${told.join(', ')}`);
  }
  print(
    `         ${newField.reports} reports with ${newField.name}; ${inspections.done} of ${inspections.asked} inspections`,
  );
}

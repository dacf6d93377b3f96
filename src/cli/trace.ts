import { Command } from 'commander';
import { type Config, readConfig } from '../config.ts';
import { otlpDocument } from '../telemetry/recorded-span.ts';
import { whole } from './arguments.ts';
import { coloured, terminalColumns, writeJson, writeLine, writeTable } from './output.ts';
import { criticalPathOf, sharesOf } from './trace-critical-path.ts';
import { traceFile } from './trace-file.ts';
import { jaeger } from './trace-jaeger.ts';
import { failedOrders, type OrderSummary, slowestOrders } from './trace-orders.ts';
import { openPage } from './trace-page.ts';
import { reportLines, reportsOf, type ToldReport } from './trace-reports.ts';
import { formatUs } from './trace-rows.ts';
import { type Story, storyOf, type TraceSource } from './trace-source.ts';
import { waterfall } from './trace-waterfall.ts';

interface Options {
  readonly all?: boolean;
  readonly reports?: boolean;
  readonly criticalPath?: boolean;
  readonly open?: boolean;
  readonly json?: boolean;
  readonly slowest?: number;
  readonly failed?: boolean;
}

const maxListed = 1_000;

export function traceCommand(): Command {
  return new Command('trace')
    .description('what happened to an order: its trace as a waterfall, and those linked to it')
    .argument(
      '[id]',
      "an order, a task or a trace; of an order's or a task's id the end is enough (6 characters or more)",
    )
    .option('--critical-path', 'where the time between the order and its pickup went')
    .option('--all', 'a row for each span; without, a call or a message is one')
    .option('--reports', 'what the bots reported, field by field, in the words of the revision that each spoke')
    .option('--open', 'print the page in Jaeger, and open it where this machine has a browser (needs JAEGER_URL)')
    .option('--slowest <n>', 'the orders that took longest', whole(1, maxListed))
    .option('--failed', 'the orders with an error in their traces')
    .option(
      '--json',
      'the spans as one OTLP JSON document, which the page of Jaeger loads; with another option, what that prints',
    )
    .addHelpText(
      'after',
      `
From Jaeger where JAEGER_URL is set, for example to http://127.0.0.1:16686;
else from the local file, MALLBOTS_TRACE_FILE.

Examples:
  $ mallbots trace 6f1c2b11
  $ mallbots trace 6f1c2b11 --critical-path
  $ mallbots trace 6f1c2b11 --reports
  $ mallbots trace --slowest 10
  $ mallbots trace 6f1c2b11 --json > order.json

Exit status: 0 done, 1 failed, 2 wrong arguments, 3 no such trace,
4 no trace file, 5 Jaeger does not answer.`,
    )
    .action(async (id: string | undefined, options: Options, command: Command) => {
      const isList = options.slowest !== undefined || options.failed === true;
      if (isList === (id !== undefined))
        command.error('error: give the id of an order, a task or a trace, or --slowest or --failed');
      const config = readConfig();
      if (options.open && !config.jaegerUrl)
        command.error('error: --open needs JAEGER_URL, for example http://127.0.0.1:16686');
      const source = sourceOf(config);
      if (id === undefined) await list(source, options);
      else await show(await storyOf(id, source), source, options);
    });
}

const sourceOf = ({ jaegerUrl, traceFile: file }: Config): TraceSource =>
  jaegerUrl ? jaeger(jaegerUrl) : traceFile(file);

async function show(story: Story, source: TraceSource, options: Options): Promise<void> {
  const { main, linked } = story;
  if (options.open) return openPage(source.pageOf(main[0]!.traceId)!);
  if (options.criticalPath) return writeCriticalPath(story, options.json === true);
  if (options.reports) return writeReports(story, options.json === true);
  if (options.json) {
    writeJson(otlpDocument([main, ...linked].flat()));
    return;
  }
  const width = terminalColumns();
  const lines = waterfall(story, { width, unfolded: options.all === true, pageOf: (id) => source.pageOf(id) });
  for (const line of lines) writeLine(line);
}

/** Shares below this have a row together. */
const smallShare = 0.005;

function writeCriticalPath(story: Story, json: boolean): void {
  const { startUs, endUs, isPickedUp, segments } = criticalPathOf(story);
  const shares = sharesOf(segments);
  const totalUs = endUs - startUs;
  if (json) {
    const { orderId, main } = story;
    const traceId = main[0]!.traceId;
    writeJson({ orderId, traceId, until: isPickedUp ? 'pickup' : 'last', totalUs, shares });
    return;
  }
  writeLine(
    `${formatUs(totalUs)} from the order to ${isPickedUp ? 'its pickup' : 'the last that happened, since it was not picked up'}`,
  );
  const [large, small] = [
    shares.filter(({ us }) => us >= totalUs * smallShare),
    shares.filter(({ us }) => us < totalUs * smallShare),
  ];
  const smallUs = small.reduce((sum, { us }) => sum + us, 0);
  const row = (us: number) => [formatUs(us), `${((100 * us) / Math.max(1, totalUs)).toFixed(1)} %`];
  writeTable(
    ['service', 'operation', 'time', 'share', 'times'],
    [
      ...large.map(({ service, operation, waiting, us, count }) => [
        service,
        `${waiting ? 'until ' : ''}${operation}`,
        ...row(us),
        String(count),
      ]),
      ...(small.length > 0 ? [['', `${small.length} shorter ones`, ...row(smallUs), '']] : []),
      ['', 'in all', ...row(totalUs), ''],
    ],
    Math.max(26, terminalColumns() - 50),
  );
  writeLine(coloured('dim', '"until": nothing on the way ran, and what is named was waited for'));
}

async function list(source: TraceSource, { slowest, failed, json }: Options): Promise<void> {
  const orders = failed ? await failedOrders(source, slowest ?? maxListed) : await slowestOrders(source, slowest!);
  if (json) {
    writeJson({ orders: orders.map(orderView) });
    return;
  }
  if (orders.length === 0) {
    writeLine(`no order${failed ? ' with an error' : ''} in ${source.where}`);
    return;
  }
  writeTable(
    ['order', 'placed', 'took', 'spans', 'errors', failed ? 'first error' : 'trace'],
    orders.map((order) => [
      order.orderId,
      order.isWhole ? new Date(order.startUs / 1_000).toISOString().slice(0, 19).replace('T', ' ') : '',
      order.isWhole ? formatUs(order.endUs - order.startUs) : '',
      String(order.spans),
      String(order.failures),
      failed ? order.firstFailure : order.traceId,
    ]),
    Math.max(36, terminalColumns() - 85),
  );
}

function writeReports(story: Story, json: boolean): void {
  if (json) writeJson({ reports: reportsOf(story).map(reportView) });
  else for (const line of reportLines(story)) writeLine(line);
}

const reportView = ({ atUs, ...report }: ToldReport) => ({ at: new Date(atUs / 1_000).toISOString(), ...report });

/** Of what was not kept from its beginning, when it was placed and how long it took is not known. */
const orderView = (order: OrderSummary) => {
  const { orderId, traceId, isWhole, startUs, endUs, spans, failures, firstFailure } = order;
  return {
    ...{ orderId, traceId, placedAt: isWhole ? new Date(startUs / 1_000).toISOString() : null },
    ...{ durationUs: isWhole ? endUs - startUs : null, spans, errors: failures, firstError: firstFailure || null },
  };
};

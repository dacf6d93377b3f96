import { type Attributes, context, trace } from '@opentelemetry/api';
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { ATTR_BOT_ID, ATTR_CORRELATION_ID, ATTR_FENCE, ATTR_ORDER_ID, ATTR_TASK_ID } from './attributes.ts';

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Standard error, so that standard output is the command's own; synchronous, so that a crash does not swallow the reason. */
const standardError = 2;

/** What a line takes over from the span that it is written in. */
const shared = [ATTR_ORDER_ID, ATTR_CORRELATION_ID, ATTR_BOT_ID, ATTR_TASK_ID, ATTR_FENCE] as const;

/** JSON lines, on standard error where nobody says otherwise; inside a span every line carries its trace and span id, and which order, bot and task it is about. */
export function createLogger(role: string, level: LogLevel, to?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { role },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin() {
        const span = trace.getSpan(context.active());
        if (!span) return {};
        const { traceId, spanId } = span.spanContext();
        // The SDK's spans let their attributes be read; those of a sender, or that are not sampled, have none.
        const { attributes = {} } = span as { attributes?: Attributes };
        const about = shared.flatMap((key) => (attributes[key] === undefined ? [] : [[key, attributes[key]] as const]));
        return { trace_id: traceId, span_id: spanId, ...Object.fromEntries(about) };
      },
    },
    to ?? destination({ dest: standardError, sync: true }),
  );
}

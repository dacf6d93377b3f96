import { context, trace } from '@opentelemetry/api';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Standard error, so that standard output is the command's own; synchronous, so that a crash does not swallow the reason. */
const standardError = 2;

/** JSON lines on standard error; inside a span every line carries its trace and span id. */
export function createLogger(role: string, level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { role },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin() {
        const span = trace.getSpanContext(context.active());
        return span ? { trace_id: span.traceId, span_id: span.spanId } : {};
      },
    },
    destination({ dest: standardError, sync: true }),
  );
}

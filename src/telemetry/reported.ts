import { ExportResultCode } from '@opentelemetry/core';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { rootMessage } from '../kit/root-message.ts';

/** `exporter`, with a line in the log when spans begin to get lost and when they arrive again: the SDK drops them without a word. */
export function reported(exporter: SpanExporter, where: string, logger: Logger): SpanExporter {
  let isFailing = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.code === ExportResultCode.FAILED;
        if (failed && !isFailing) logger.warn({ where, reason: rootMessage(result.error) }, 'traces get lost');
        if (!failed && isFailing) logger.warn({ where }, 'traces arrive again');
        isFailing = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}

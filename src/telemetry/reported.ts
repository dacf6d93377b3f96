import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import type { Logger } from 'pino';
import { rootMessage } from '../kit/root-message.ts';

/** What exporters of spans and of metrics have in common. */
export interface Exporter<T> {
  export(batch: T, done: (result: ExportResult) => void): void;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

/** `exporter`, with a line in the log when `what` begins to get lost and when it arrives again: the SDK drops it without a word. */
export function reported<T>(
  exporter: Exporter<T>,
  what: 'traces' | 'metrics',
  where: string,
  logger: Logger,
): Exporter<T> {
  let isFailing = false;
  return {
    export(batch, done) {
      exporter.export(batch, (result) => {
        const failed = result.code === ExportResultCode.FAILED;
        if (failed && !isFailing)
          logger.warn({ signal: what, where, reason: rootMessage(result.error) }, 'telemetry gets lost');
        if (!failed && isFailing) logger.warn({ signal: what, where }, 'telemetry arrives again');
        isFailing = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  };
}

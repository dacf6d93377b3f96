import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { pino } from 'pino';
import type { Telemetry } from '../../src/telemetry/setup.ts';

/** A role's telemetry whose spans a test can look at, in the order of their ends; it logs nothing. */
export function recordingTelemetry(role: string): Telemetry & { spans(): ReadableSpan[] } {
  context.setGlobalContextManager(contextManager);
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': role }),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  return {
    tracer: provider.getTracer('test'),
    logger: pino({ level: 'silent' }),
    shutdown: () => provider.shutdown(),
    spans: () => exporter.getFinishedSpans(),
  };
}

const contextManager = new AsyncLocalStorageContextManager().enable();

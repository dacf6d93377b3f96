import { type Attributes, context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { type Histogram, MeterProvider, type MetricData, MetricReader } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { createLogger, type LogLevel } from '../../src/telemetry/logger.ts';
import type { Telemetry } from '../../src/telemetry/setup.ts';

export interface RecordingTelemetry extends Telemetry {
  /** In the order of their ends. */
  spans(): ReadableSpan[];
  metrics(): Promise<readonly MetricData[]>;
  /** What was logged, line by line. */
  logs(): ReadonlyArray<Record<string, unknown>>;
  /** What the metric `name` says now, added up over the points that have these attributes; of a histogram, how many values it has. */
  figure(name: string, attributes?: Attributes): Promise<number>;
}

/** A role's telemetry that a test can look at. */
export function recordingTelemetry(role: string, logLevel: LogLevel = 'silent'): RecordingTelemetry {
  context.setGlobalContextManager(contextManager);
  const exporter = new InMemorySpanExporter();
  const resource = resourceFromAttributes({ 'service.name': role });
  const spans = new TracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const reader = new ReadOnDemand();
  const meters = new MeterProvider({ resource, readers: [reader] });
  const lines: string[] = [];
  const metrics = async () => {
    const { resourceMetrics, errors } = await reader.collect();
    if (errors.length > 0) throw new AggregateError(errors, 'metrics could not be collected');
    return resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  };
  return {
    tracer: spans.getTracer('test'),
    meter: meters.getMeter('test'),
    logger: createLogger(role, logLevel, { write: (line) => lines.push(line) }),
    async shutdown() {
      await Promise.all([spans.shutdown(), meters.shutdown()]);
    },
    logs: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    spans: () => exporter.getFinishedSpans(),
    metrics,
    async figure(name, attributes = {}) {
      const points = (await metrics()).filter(({ descriptor }) => descriptor.name === name).flatMap(pointsOf);
      const wanted = Object.entries(attributes);
      return points
        .filter((point) => wanted.every(([key, value]) => point.attributes[key] === value))
        .reduce((sum, { value }) => sum + (typeof value === 'number' ? value : value.count), 0);
    },
  };
}

type Point = { readonly attributes: Attributes; readonly value: number | Pick<Histogram, 'count'> };
const pointsOf = ({ dataPoints }: MetricData): readonly Point[] => dataPoints as readonly Point[];

class ReadOnDemand extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

const contextManager = new AsyncLocalStorageContextManager().enable();

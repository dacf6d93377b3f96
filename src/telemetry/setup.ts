import { context, type Meter, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import {
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_NAMESPACE,
  ATTR_SERVICE_VERSION,
} from '@opentelemetry/semantic-conventions/incubating';
import type { Logger } from 'pino';
import { FileExporter } from './file-exporter.ts';
import { KeptSpans } from './kept-spans.ts';
import { createLogger, type LogLevel } from './logger.ts';
import { createMetrics, type MetricsOptions } from './metrics.ts';
import { otlpSpanExporter } from './otlp-exporters.ts';
import { reported } from './reported.ts';
import { createSampler, isParentBased } from './sampling.ts';
import type { SamplerName } from './settings.ts';
import { takeBriefSpans } from './start-span.ts';

/** What a role needs to be seen: one per role, also where several roles share a process, so that a trace shows them as the services they are. */
export interface Telemetry {
  readonly tracer: Tracer;
  readonly meter: Meter;
  readonly logger: Logger;
  /** Exports what is waiting; gives up after `shutdownTimeoutMs`. Never throws. */
  shutdown(): Promise<void>;
}

export interface TelemetryOptions extends MetricsOptions {
  /** Becomes `service.name`: `orders`, `hub`, `bot` ... */
  readonly role: string;
  /** OTLP JSON lines; empty: none. */
  readonly traceFile: string;
  /** Bytes of that file and its older part. */
  readonly traceFileMaxBytes?: number;
  readonly sampler?: SamplerName;
  /** Share of the traces, for the samplers that take one. */
  readonly samplerRatio?: number;
  readonly logLevel: LogLevel;
  readonly instanceId: string;
}

/** How long ended spans may wait for company before they are exported: short, so that a killed process takes few with it. */
const exportDelayMs = 500;
/** Spans kept while the exporter is slow or the collector is away; what is more is dropped by the SDK. About 1 kB each. */
const maxQueuedSpans = 16_384;
/** Spans in one request to a collector: the next one waits for its answer. */
const spansPerRequest = 512;
/**
 * Spans in one line of a file. A line is made in one go, and the role does nothing else meanwhile: 512 held up a hub for 10 ms twice a second; 64 take half
 * a ms, and half the time for each span.
 */
const spansPerLine = 64;
/** A collector that does not answer must not hold up an exit. */
const shutdownTimeoutMs = 2_000;

const version = '0.1.0';

export function createTelemetry(options: TelemetryOptions): Telemetry {
  context.setGlobalContextManager(contextManager);
  const logger = createLogger(options.role, options.logLevel);
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: options.role,
    [ATTR_SERVICE_NAMESPACE]: 'mallbots',
    [ATTR_SERVICE_VERSION]: version,
    [ATTR_SERVICE_INSTANCE_ID]: options.instanceId,
  });
  const metrics = createMetrics(options, 'mallbots', resource, logger);
  const spanProcessors = exporters(options, logger).map(
    ({ exporter, maxExportBatchSize }) =>
      new KeptSpans(
        new BatchSpanProcessor({
          exporter,
          scheduledDelayMillis: exportDelayMs,
          maxQueueSize: maxQueuedSpans,
          maxExportBatchSize,
        }),
      ),
  );
  const { sampler = 'parentbased_always_on', samplerRatio = 1 } = options;
  const provider = new TracerProvider({ resource, sampler: createSampler(sampler, samplerRatio), spanProcessors });
  const scope = { name: 'mallbots', version };
  const tracer = provider.getTracer(scope.name, scope.version);
  if (isParentBased(sampler)) {
    const onEnd = (span: ReadableSpan) => {
      for (const processor of spanProcessors) processor.onEnd(span);
    };
    takeBriefSpans(tracer, { resource, scope, onEnd });
  }
  return {
    tracer,
    meter: metrics.meter,
    logger,
    async shutdown() {
      const giveUp = new Promise<void>((resolve) => setTimeout(resolve, shutdownTimeoutMs).unref());
      const lost = (what: string) => (error: unknown) =>
        logger.warn({ err: error, signal: what }, 'the last of a signal could not be exported');
      const exported = [provider.shutdown().catch(lost('spans')), metrics.shutdown().catch(lost('metrics'))];
      await Promise.race([Promise.all(exported), giveUp]);
    },
  };
}

/** One for the process: context follows the asynchronous flow, whichever role's. */
const contextManager = new AsyncLocalStorageContextManager().enable();

interface Export {
  readonly exporter: SpanExporter;
  readonly maxExportBatchSize: number;
}

function exporters(options: TelemetryOptions, logger: Logger): Export[] {
  const { otlpEndpoint, otlpProtocol = 'http/protobuf', traceFile, traceFileMaxBytes } = options;
  const exports: Export[] = [];
  if (otlpEndpoint) {
    const exporter = reported(otlpSpanExporter({ otlpEndpoint, otlpProtocol }), 'traces', otlpEndpoint, logger);
    exports.push({ exporter, maxExportBatchSize: spansPerRequest });
  }
  if (traceFile) {
    const file = new FileExporter(traceFile, JsonTraceSerializer, traceFileMaxBytes);
    exports.push({ exporter: reported(file, 'traces', traceFile, logger), maxExportBatchSize: spansPerLine });
  }
  return exports;
}

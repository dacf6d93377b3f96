import { createReadStream, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ExportResultCode } from '@opentelemetry/core';
import { type Environment, readConfig } from '../config.ts';
import { rootMessage } from '../kit/root-message.ts';
import { FileExporter } from '../telemetry/file-exporter.ts';
import type { Say } from './narrator.ts';

/** A line is a batch as it was exported. */
const asItIs = { serializeRequest: (line: string) => Buffer.from(line) };

/**
 * For the end of a demo, whose own traces go with it: adds those in a file to the one that `environment` names for traces, where it names one.
 * @throws ConfigError
 */
export function leaverOfTraces(environment: Environment): (file: string, say: Say) => Promise<void> {
  const { MALLBOTS_TRACE_FILE, MALLBOTS_TRACE_FILE_MAX_BYTES } = environment;
  const { traceFile, traceFileMaxBytes } = readConfig({ MALLBOTS_TRACE_FILE, MALLBOTS_TRACE_FILE_MAX_BYTES });
  return async (file, say) => {
    if (!MALLBOTS_TRACE_FILE || !existsSync(file)) return;
    const exporter = new FileExporter(traceFile, asItIs, traceFileMaxBytes);
    try {
      for await (const line of createInterface({ input: createReadStream(file) })) {
        exporter.export(line, ({ code, error }) => {
          if (code !== ExportResultCode.SUCCESS) throw error;
        });
      }
      say(`leaves its traces in ${traceFile}`);
    } catch (error) {
      say(`cannot leave its traces in ${traceFile} (${rootMessage(error)})`);
    } finally {
      await exporter.shutdown();
    }
  };
}

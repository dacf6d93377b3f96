import { closeSync, fstatSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { makeDirectory } from '../kit/make-directory.ts';

/** Bytes after which the file becomes `<file>.1` and a new one is begun: the last tens of thousands of orders at hand, the disk never full. */
const maxTraceFileBytes = 64 * 1024 * 1024;

/**
 * Appends spans to a local file: one OTLP `ExportTraceServiceRequest` in JSON a line, the format of the collector's file exporter. Several
 * processes may share the file: each batch is one appending write.
 */
export class FileSpanExporter implements SpanExporter {
  readonly #file: string;
  #descriptor: number | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    try {
      const request = JsonTraceSerializer.serializeRequest(spans);
      if (request) writeSync(this.#open(), Buffer.concat([request, Buffer.from('\n')]));
      done({ code: ExportResultCode.SUCCESS });
    } catch (error) {
      done({ code: ExportResultCode.FAILED, error: error as Error });
    }
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {
    this.#close();
  }

  /** The file, begun anew when it is full or when another process has done so. */
  #open(): number {
    if (this.#descriptor !== undefined) {
      const { size, ino } = fstatSync(this.#descriptor);
      const current = statSync(this.#file, { throwIfNoEntry: false });
      if (current?.ino === ino && size < maxTraceFileBytes) return this.#descriptor;
      if (current?.ino === ino) renameSync(this.#file, `${this.#file}.1`);
      this.#close();
    }
    makeDirectory(dirname(this.#file));
    this.#descriptor = openSync(this.#file, 'a');
    return this.#descriptor;
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

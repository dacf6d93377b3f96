import { closeSync, fstatSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import type { ISerializer } from '@opentelemetry/otlp-transformer';
import { makeDirectory } from '../kit/make-directory.ts';

/**
 * Bytes after which the file becomes `<file>.1` and a new one is begun: the traces of the last tens of thousands of orders at hand, the metrics
 * of half a day, the disk never full.
 */
const maxFileBytes = 64 * 1024 * 1024;

/**
 * Appends spans or metrics to a local file: one OTLP export request in JSON a line, the format of the collector's file exporter. Several
 * processes may share the file: each batch is one appending write.
 */
export class FileExporter<T> {
  readonly #file: string;
  readonly #serializer: Pick<ISerializer<T, unknown>, 'serializeRequest'>;
  #descriptor: number | undefined;

  constructor(file: string, serializer: Pick<ISerializer<T, unknown>, 'serializeRequest'>) {
    this.#file = file;
    this.#serializer = serializer;
  }

  export(batch: T, done: (result: ExportResult) => void): void {
    try {
      const request = this.#serializer.serializeRequest(batch);
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
      if (current?.ino === ino && size < maxFileBytes) return this.#descriptor;
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

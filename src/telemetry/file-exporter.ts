import { closeSync, fstatSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import type { ISerializer } from '@opentelemetry/otlp-transformer';
import { makeDirectory } from '../kit/make-directory.ts';
import { defaultMaxFileBytes } from './settings.ts';

/** A lock that is older was left behind by a process that was killed in the microseconds that it is held, ms. */
const staleLockMs = 10_000;

/**
 * Appends spans or metrics to a local file: one OTLP export request in JSON a line, which is OpenTelemetry's format for files
 * (https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/). Jaeger's page takes such a file as it is: its upload reads a document a line where the
 * whole is none (`utils/readJsonFile.tsx` of jaeger-ui; its pull requests 2380 and, for the name `.jsonl`, 2461).
 *
 * Several processes may share the file: each batch is one write at its end, wherever that is. When it has half of `maxBytes` it becomes `<file>.1`, in the place
 * of an older one, and a new one is begun: by one of them, under a lock, while the others go on appending to whichever they have open.
 */
export class FileExporter<T> {
  readonly #file: string;
  readonly #serializer: Pick<ISerializer<T, unknown>, 'serializeRequest'>;
  readonly #maxBytes: number;
  #descriptor: number | undefined;

  constructor(
    file: string,
    serializer: Pick<ISerializer<T, unknown>, 'serializeRequest'>,
    maxBytes: number = defaultMaxFileBytes,
  ) {
    this.#file = file;
    this.#serializer = serializer;
    this.#maxBytes = maxBytes;
  }

  export(batch: T, done: (result: ExportResult) => void): void {
    try {
      const request = this.#serializer.serializeRequest(batch);
      if (request) this.#append(Buffer.concat([request, Buffer.from('\n')]));
      done({ code: ExportResultCode.SUCCESS });
    } catch (error) {
      done({ code: ExportResultCode.FAILED, error: error as Error });
    }
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {
    this.#close();
  }

  #append(line: Buffer): void {
    const descriptor = this.#open();
    const written = writeSync(descriptor, line);
    if (written === line.length) return;
    // The disk is full. What is half written must not swallow the next line.
    writeSync(descriptor, '\n');
    throw new Error(`only ${written} of ${line.length} bytes could be written to ${this.#file}`);
  }

  /** The file that has the name now, begun anew when it is full. */
  #open(): number {
    if (this.#descriptor !== undefined) {
      const { size, ino } = fstatSync(this.#descriptor);
      if (this.#hasName(ino) && (size < this.#maxBytes / 2 || !this.#setAside(ino))) return this.#descriptor;
      this.#close();
    }
    makeDirectory(dirname(this.#file));
    this.#descriptor = openSync(this.#file, 'a');
    return this.#descriptor;
  }

  #hasName(ino: number): boolean {
    return statSync(this.#file, { throwIfNoEntry: false })?.ino === ino;
  }

  /** False when another process is just doing it: then one more batch goes into the full file. Without the lock, two could set aside the new one as well. */
  #setAside(ino: number): boolean {
    const lock = `${this.#file}.lock`;
    try {
      closeSync(openSync(lock, 'wx'));
    } catch {
      const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
      if (since !== undefined && Date.now() - since > staleLockMs) rmSync(lock, { force: true });
      return false;
    }
    try {
      if (this.#hasName(ino)) renameSync(this.#file, `${this.#file}.1`);
    } finally {
      rmSync(lock, { force: true });
    }
    return true;
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

import { existsSync, renameSync } from 'node:fs';
import { readSpans, type SpanFact } from '../../src/audit/spans.ts';

/** The local trace file of a long run: its exporters keep only the newest of what they write, unless it is set aside in time. */
export class TraceFiles {
  readonly #file: string;
  readonly #aside: string[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /** The processes begin a new file. */
  setAside(): void {
    if (!existsSync(this.#file)) return;
    const name = `${this.#file}.${this.#aside.length + 2}`;
    renameSync(this.#file, name);
    this.#aside.push(name);
  }

  all(): SpanFact[] {
    return [...this.#aside, this.#file].flatMap(readSpans);
  }
}

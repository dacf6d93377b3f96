import { createReadStream, existsSync } from 'node:fs';
import { MallError } from '../contract/errors.ts';
import { type OtlpTraces, orderOf, type RecordedSpan, recordedSpans, taskOf } from '../telemetry/recorded-span.ts';
import type { TraceSource } from './trace-source.ts';

/** Bytes of one line; what is longer is passed over. The exporter writes 64 spans of some 1 kB at once. */
const maxLineBytes = 16 * 1024 * 1024;
const newline = 0x0a;

/**
 * The local OTLP file, its older part first. It is read in a stream, a line at a time, and of a line that does not have the bytes that are
 * looked for nothing is decoded.
 * @throws MallError FAILED_PRECONDITION when there is no file
 */
export function traceFile(file: string): TraceSource {
  const parts = [`${file}.1`, file].filter((part) => existsSync(part));
  if (parts.length === 0) throw noFile(file);

  async function* spansWith(...needles: readonly string[]): AsyncGenerator<readonly RecordedSpan[]> {
    const bytes = needles.map((needle) => Buffer.from(needle));
    for (const part of parts) {
      for await (const line of linesOf(part)) {
        if (bytes.length === 0 || bytes.some((needle) => line.includes(needle))) yield recordedSpans(parse(line));
      }
    }
  }

  async function collect(isWanted: (span: RecordedSpan) => boolean, ...needles: string[]): Promise<RecordedSpan[]> {
    const found: RecordedSpan[] = [];
    for await (const spans of spansWith(...needles)) found.push(...spans.filter(isWanted));
    return found;
  }

  async function traces(traceIds: readonly string[]): Promise<RecordedSpan[]> {
    const ids = new Set(traceIds);
    return ids.size === 0 ? [] : collect(({ traceId }) => ids.has(traceId), ...ids);
  }

  return {
    where: file,
    traces,
    async about(id) {
      const naming = await collect((span) => orderOf(span) === id || taskOf(span) === id, `"${id}"`);
      return traces([...new Set(naming.map(({ traceId }) => traceId))]);
    },
    async idsEndingWith(suffix) {
      const ids = new Set<string>();
      for await (const spans of spansWith(`${suffix}"`)) {
        for (const id of spans.flatMap((span) => [orderOf(span), taskOf(span)])) if (id.endsWith(suffix)) ids.add(id);
      }
      return [...ids];
    },
    recent: () => spansWith(),
    failed: () => spansWith(),
    pageOf: () => undefined,
  };
}

function noFile(file: string): MallError {
  const remedy = file
    ? 'start a mall ("mallbots up") that writes one, set MALLBOTS_DATA or MALLBOTS_TRACE_FILE to where it is, or JAEGER_URL to ask a Jaeger'
    : 'traces go to OTEL_EXPORTER_OTLP_ENDPOINT; set JAEGER_URL to the Jaeger behind it, for example http://127.0.0.1:16686';
  const message = file ? `there is no trace file ${file}` : 'there is no local trace file';
  return new MallError('FAILED_PRECONDITION', `${message}; ${remedy}`, {
    reason: 'NO_TRACE_FILE',
    field: 'MALLBOTS_TRACE_FILE',
    value: file,
    remedy,
  });
}

/** A line that a full disk or a killed process left half written is no document. */
function parse(line: Buffer): OtlpTraces {
  try {
    return JSON.parse(line.toString('utf8')) as OtlpTraces;
  } catch {
    return {};
  }
}

async function* linesOf(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      const piece = chunk.subarray(from, end);
      if (restBytes + piece.length <= maxLineBytes && restBytes + piece.length > 0)
        yield Buffer.concat([...rest, piece]);
      rest = [];
      restBytes = 0;
      from = end + 1;
    }
    restBytes += chunk.length - from;
    if (restBytes > maxLineBytes) rest = [];
    else rest.push(chunk.subarray(from));
  }
  if (restBytes > 0 && restBytes <= maxLineBytes) yield Buffer.concat(rest);
}

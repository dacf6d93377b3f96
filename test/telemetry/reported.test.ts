import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { FileExporter } from '../../src/telemetry/file-exporter.ts';
import { reported } from '../../src/telemetry/reported.ts';

function logging() {
  const lines: Array<Record<string, unknown>> = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line) => void lines.push(JSON.parse(line)) });
  return { lines, logger };
}

test('says once that traces get lost and why, and once that they arrive again', () => {
  const { lines, logger } = logging();
  const results: ExportResult[] = [
    { code: ExportResultCode.SUCCESS },
    { code: ExportResultCode.FAILED, error: new Error('fetch failed', { cause: new Error('connect ECONNREFUSED') }) },
    { code: ExportResultCode.FAILED, error: new Error('connect ECONNREFUSED') },
    { code: ExportResultCode.SUCCESS },
    { code: ExportResultCode.SUCCESS },
  ];
  const exporter = reported(
    { export: (_spans, done) => done(results.shift()!), forceFlush: async () => {}, shutdown: async () => {} },
    'traces',
    'http://collector:4318',
    logger,
  );
  const heard: number[] = [];
  for (let n = 0; n < 5; n += 1) exporter.export([], ({ code }) => heard.push(code));

  expect(heard).toEqual([0, 1, 1, 0, 0]);
  expect(lines).toMatchObject([
    { msg: 'telemetry gets lost', signal: 'traces', where: 'http://collector:4318', reason: 'connect ECONNREFUSED' },
    { msg: 'telemetry arrives again', signal: 'traces' },
  ]);
});

test('says where a trace file cannot be written, even where making a directory never ends', () => {
  const { lines, logger } = logging();
  const file = '/proc/mallbots/traces.jsonl';

  reported(new FileExporter(file, JsonTraceSerializer), 'traces', file, logger).export([], () => undefined);

  expect(lines).toMatchObject([
    { msg: 'telemetry gets lost', signal: 'traces', where: file, reason: expect.stringContaining('ENOENT') },
  ]);
});

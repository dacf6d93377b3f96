import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const source = (name: string) => join(import.meta.dirname, '../../src/telemetry', name);

/** What a process that runs `body` writes to standard error, line by line; it has a `logger` and a `tracer` of the hub. */
function logged(body: string): Array<Record<string, unknown>> {
  const program = `
    import { context, trace } from '@opentelemetry/api';
    import { contextOf } from '${source('propagation.ts')}';
    import { createTelemetry } from '${source('setup.ts')}';
    const options = { role: 'hub', otlpEndpoint: '', traceFile: '', metricsFile: '', metricIntervalMs: 60_000, logLevel: 'info', instanceId: 'hub-1' };
    const { tracer, logger } = createTelemetry(options);
    ${body}`;
  const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return stderr.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]));
}

const about = {
  'mallbots.order_id': 'o1',
  'mallbots.correlation_id': 'o1',
  'mallbots.bot_id': 'bot-1',
  'mallbots.task_id': 't1',
  'mallbots.fence': 2,
};

describe('a log line', () => {
  test('inside a span says which trace, span, order, bot and task it is about', () => {
    const [line] = logged(`
      const attributes = ${JSON.stringify({ ...about, 'rpc.method': 'x' })};
      const span = tracer.startSpan('offer shop', { attributes }, contextOf('00-${'a'.repeat(32)}-${'b'.repeat(16)}-01'));
      context.with(trace.setSpan(context.active(), span), () => logger.info({ spanId: span.spanContext().spanId }, 'offered'));`);

    expect(line).toMatchObject({ role: 'hub', level: 'info', msg: 'offered', trace_id: 'a'.repeat(32), ...about });
    expect(line?.span_id).toBe(line?.spanId);
    expect(line).not.toHaveProperty(['rpc.method']);
  });

  test("below a sender's span says which trace that is", () => {
    const [line] = logged(
      `context.with(contextOf('00-${'a'.repeat(32)}-${'b'.repeat(16)}-01'), () => logger.warn('again'));`,
    );

    expect(line).toMatchObject({ msg: 'again', trace_id: 'a'.repeat(32), span_id: 'b'.repeat(16) });
  });

  test('outside of any span is about none', () => {
    const [line] = logged(`logger.info('ready');`);

    expect(Object.keys(line!).sort()).toEqual(['level', 'msg', 'role', 'time']);
  });
});

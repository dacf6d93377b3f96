import { expect, it, onTestFinished } from 'vitest';
import { connectRabbitMq } from '../../src/broker/rabbitmq.ts';
import { newId } from '../../src/contract/ids.ts';
import { draft, seal } from '../../src/contract/message.ts';
import { addressOf, mallTopology } from '../../src/contract/topology.ts';
import { plumbingInstruments } from '../../src/database/plumbing-metrics.ts';
import { createScratch } from '../../src/demo/scratch.ts';
import { TaskRequested } from '../../src/gen/events/depot/v1/events.ts';
import { Nack, NackReason, Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { hubInstruments } from '../../src/hub/instruments.ts';
import type { Instrument } from '../../src/telemetry/instrument.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';
import { mallTimeoutMs, Program } from '../support/program.ts';
import { amqpUrl, databaseUrl, describeWithRabbitMq } from '../support/services.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { picked, RawBot, shopSchema } from './raw-bot.ts';

/** What only a hub in trouble has figures of, and what a hub has none of. */
const unseen: readonly Instrument[] = [
  hubInstruments.connectionsRefused,
  hubInstruments.connectionsCut,
  hubInstruments.streamsRefused,
  hubInstruments.readingPaused,
  plumbingInstruments.parked,
  plumbingInstruments.waits,
];
const types = { counter: 'sum', count: 'sum', gauge: 'gauge', histogram: 'histogram' } as const;

describeWithRabbitMq('a hub in a process of its own', () => {
  it('exports what the table of its instruments says over OTLP, with units', { timeout: mallTimeoutMs }, async () => {
    const collector = await startOtlpReceiver();
    onTestFinished(() => collector[Symbol.asyncDispose]());
    const scratch = await createScratch(`metrics-${newId()}`, { databaseUrl, amqpUrl, logger: silentLogger });
    onTestFinished(() => scratch.remove());
    const hub = new Program(['hub'], {
      DATABASE_URL: scratch.databaseUrl,
      AMQP_URL: amqpUrl,
      MALLBOTS_NAMESPACE: scratch.namespace,
      MALLBOTS_HUB_LISTEN: '127.0.0.1:0',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_METRIC_EXPORT_INTERVAL: '300',
      MALLBOTS_LOG_LEVEL: 'info',
    });
    onTestFinished(async () => void (await hub.kill()));
    const [, address] = await hub.line(/"address":"([^"]+)".*"msg":"ready"/);
    const broker = await connectRabbitMq({ url: amqpUrl, namespace: scratch.namespace, logger: silentLogger });
    onTestFinished(() => broker.close());
    await broker.declare(mallTopology);

    const bot = new RawBot(address!, { credits: [{ kind: 'shop', amount: 2 }] });
    onTestFinished(() => bot.cut());
    await bot.welcomed();
    for (let n = 0; n < 2; n += 1) {
      const body = TaskRequested.fromPartial({ taskId: newId(), orderId: newId(), schema: shopSchema, maxAttempts: 3 });
      const asked = draft('depot.task_requested', body.orderId, body);
      const stamp = { id: newId(), source: '/depot', time: new Date(), causationId: 'test', traceparent: '' };
      await broker.publish(addressOf(asked.name), seal(asked, stamp));
    }
    const [done, kept] = [await bot.lease(), await bot.lease()];
    bot.progress(done, picked(), { started: true });
    bot.progress({ ...done, fence: 9 }, picked());
    await bot.acknowledged(bot.result(done, { outcome: Outcome.SUCCEEDED }));
    bot.heartbeat([kept]);
    bot.send({ $case: 'nack', value: Nack.fromPartial({ seq: 1, reason: NackReason.UNKNOWN_TASK }) }, { seq: 0 });
    const seen = () => collector.metrics();
    await expect
      .poll(() => seen().find(({ name }) => name === hubInstruments.renewals.name)?.points[0]?.value, {
        timeout: 60_000,
      })
      .toBe(1);
    bot.send({ $case: 'goodbye', value: { reason: '' } }, { seq: 0 });
    await bot.status;

    const table = [...Object.values(hubInstruments), ...Object.values(plumbingInstruments)];
    const expected = table.filter((instrument) => !unseen.includes(instrument)).map(({ name }) => name);
    await expect
      .poll(() => seen().map(({ name }) => name), { timeout: 60_000 })
      .toEqual(expect.arrayContaining(expected));
    for (const { name, unit, description, type, monotonic, points } of seen()) {
      const instrument: Instrument | undefined = table.find((each) => each.name === name);
      expect({ name, unit, description }).toEqual(pick(instrument));
      expect({ type, monotonic }).toEqual({ type: types[instrument!.kind], monotonic: instrument!.kind === 'counter' });
      for (const { attributes } of points)
        expect(Object.keys(attributes).sort(), name).toEqual([...instrument!.attributes].sort());
    }
    const { code } = await hub.kill('SIGTERM');
    expect(code).toBe(0);
  });
});

const pick = (instrument: Instrument | undefined) =>
  instrument && { name: instrument.name, unit: instrument.unit, description: instrument.description };

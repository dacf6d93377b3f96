import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { describe, expect, it } from 'vitest';
import { Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { emptyTask, gate, hubAndBot, nothingPicked, patient, reached, type ShopHandler } from './robot.ts';

const going = (taskId: string, verdict: Verdict = Verdict.CONTINUE) => ({ verdicts: [{ taskId, fence: 1, verdict }] });

describe('reports', () => {
  it('that were not acknowledged are sent again after a cut, in order and under their numbers', async () => {
    const proceed = gate();
    const { hub } = await hubAndBot(async (task) => {
      await task.progress(reached(0));
      await task.progress(reached(1));
      await proceed.promise;
      return nothingPicked;
    });
    const first = await hub.nextSession();
    await first.welcome();
    await first.assign({ ...emptyTask, taskId: 't' });
    await first.next('progress');
    await first.next('progress');
    hub.cutConnections();
    // The work is done while there is no hub to tell.
    proceed.resolve();

    const second = await hub.nextSession();
    await second.welcome({ ...going('t'), lastBotSeq: 3 });
    await expect(second.next('progress')).resolves.toMatchObject({ seq: 4, body: { taskId: 't', fence: 1 } });
    await expect(second.next('result')).resolves.toMatchObject({ seq: 5 });
    hub.cutConnections();

    const third = await hub.nextSession();
    const hello = await third.welcome({ ...going('t'), lastBotSeq: 4 });
    expect(hello.body.heldTasks).toMatchObject([{ taskId: 't', finished: true }]);
    await expect(third.next('result')).resolves.toMatchObject({ seq: 5 });
  });

  it('leave the outbox by one cumulative acknowledgement, and the finished task with them', async () => {
    const { hub, bot } = await hubAndBot(async (task) => {
      await task.progress(reached(0));
      await task.progress(reached(1));
      return nothingPicked;
    });
    const first = await hub.nextSession();
    await first.welcome();
    await first.assign({ ...emptyTask, taskId: 't' });
    const { seq } = await first
      .next('progress')
      .then(() => first.next('progress'))
      .then(() => first.next('result'));
    expect(bot.unacknowledged).toBe(5);
    first.ack(seq);
    await expect.poll(() => bot.unacknowledged, patient).toBe(0);
    hub.cutConnections();
    const second = await hub.nextSession();
    const hello = await second.welcome();
    expect(hello.body.heldTasks).toEqual([]);
    await expect(second.assign({ ...emptyTask, taskId: 'next' })).resolves.toMatchObject({ seq: seq + 2 });
    await expect(second.next('progress')).resolves.toMatchObject({ seq: seq + 3 });
  });

  it('cannot be acknowledged before they were sent', async () => {
    const { hub, bot } = await hubAndBot(async () => nothingPicked);
    const session = await hub.nextSession();
    await session.welcome({ lastBotSeq: 1_000 });
    await session.assign({ ...emptyTask, taskId: 't' });
    await expect(session.next('result')).resolves.toMatchObject({ seq: 3 });
    expect(bot.unacknowledged).toBe(3);
  });

  it('go out again in full, under the new fence and new numbers, when the hub gives the task back; and so does the rest', async () => {
    const proceed = gate();
    const { hub, bot } = await hubAndBot(async (task) => {
      await task.progress(reached(0));
      await proceed.promise;
      await task.progress(reached(1));
      return nothingPicked;
    });
    const first = await hub.nextSession();
    await first.welcome();
    await first.assign({ ...emptyTask, taskId: 't' });
    const { seq } = await first.next('progress');
    first.ack(seq);
    await expect.poll(() => bot.unacknowledged, patient).toBe(0);
    hub.cutConnections();
    const second = await hub.nextSession();
    await second.welcome({ verdicts: [{ taskId: 't', fence: 1, verdict: Verdict.REPORT_IN_FULL, renewedFence: 3 }] });
    await expect(second.nextStart({ taskId: 't', fence: 3 })).resolves.toMatchObject({ seq: seq + 1 });
    await expect(second.next('progress')).resolves.toMatchObject({ seq: seq + 2, body: { fence: 3, started: false } });
    proceed.resolve();
    await expect(second.next('progress')).resolves.toMatchObject({ seq: seq + 3, body: { fence: 3 } });
    const result = await second.next('result');
    expect(result).toMatchObject({ seq: seq + 4, body: { fence: 3 } });
    second.ack(result.seq);
    await expect.poll(() => bot.unacknowledged, patient).toBe(0);
  });

  it('count for nothing when the hub gives the task back under a fence that is not higher', async () => {
    const stopped = Promise.withResolvers<unknown>();
    const { hub } = await hubAndBot(async (task) => {
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
      stopped.resolve(task.signal.reason);
      throw task.signal.reason;
    });
    const first = await hub.nextSession();
    await first.welcome();
    await first.assign({ ...emptyTask, taskId: 't' });
    hub.cutConnections();
    const second = await hub.nextSession();
    await second.welcome(going('t', Verdict.REPORT_IN_FULL));
    expect(await stopped.promise).toMatchObject({ why: 'lease-lost' });
  });

  it('of work that the hub calls "still yours" go on although its lease was lost on the way', async () => {
    const { hub } = await hubAndBot(async () => nothingPicked);
    const first = await hub.nextSession();
    await first.welcome();
    first.offer({ ...emptyTask, taskId: 't' });
    const { seq } = await first.next('offerReply');
    hub.cutConnections();
    const second = await hub.nextSession();
    await second.welcome({ ...going('t'), lastBotSeq: seq });
    await second.nextStart({ taskId: 't' });
    await expect(second.next('result')).resolves.toMatchObject({ body: { taskId: 't' } });
  });
});

describe('back-pressure', () => {
  /** Reports steps until told to stop, counting those that the SDK has taken. */
  function chatty() {
    const count = { taken: 0 };
    const stop = gate();
    let stopped = false;
    void stop.promise.then(() => {
      stopped = true;
    });
    const padding = 'x'.repeat(4_000);
    const handler: ShopHandler = async (task) => {
      while (!stopped) {
        await task.progress({ step: { $case: 'stopReached', value: { storeId: padding, stopIndex: count.taken } } });
        count.taken += 1;
      }
      return nothingPicked;
    };
    return { count, stop, handler };
  }

  it('reaches the handler: with a hub that acknowledges nothing it waits at the outbox limit', async () => {
    const { count, stop, handler } = chatty();
    const { hub, bot } = await hubAndBot(handler, { outboxLimit: 8 });
    const session = await hub.nextSession();
    await session.welcome();
    await session.assign({ ...emptyTask, taskId: 't' });
    for (let i = 0; i < 6; i += 1) await session.next('progress');
    expect(count.taken).toBe(6);
    // 8 in the outbox (the offer's reply and the start are two of them), and the one that waits.
    expect(bot.unacknowledged).toBe(9);
    session.ack(8);
    await session.next('progress');
    await expect.poll(() => count.taken, patient).toBe(14);
    stop.resolve();
  });

  it('keeps no more under way than the hub allows, and follows when it allows more', async () => {
    const { stop, handler } = chatty();
    const { hub } = await hubAndBot(handler, { outboxLimit: 20 });
    const session = await hub.nextSession();
    await session.welcome({ maxUnacknowledged: 3 });
    await session.assign({ ...emptyTask, taskId: 't' });
    // With the offer's reply and the start, this is the third.
    await session.next('progress');
    // An answer to a hub frame is a later sign of life: nothing reliable came between.
    session.lease('unknown');
    await session.next('nack');
    session.send({ $case: 'credit', value: { kind: '', amount: 5 } });
    await session.next('progress');
    await session.next('progress');
    session.lease('unknown');
    await session.next('nack');
    stop.resolve();
  });

  it('holds with a hub that does not read: little is written, everything arrives once it reads on', async () => {
    const { count, stop, handler } = chatty();
    const limit = 400;
    const { hub, bot } = await hubAndBot(handler, { outboxLimit: limit });
    const session = await hub.nextSession();
    await session.welcome({ maxUnacknowledged: limit });
    await session.assign({ ...emptyTask, taskId: 't' });
    await session.next('progress');
    session.stopReading();
    await expect.poll(() => bot.unacknowledged, patient).toBe(limit + 1);
    expect(count.taken).toBe(limit - 2);
    const stalled = session.heard.length;
    expect(stalled).toBeLessThan(limit);
    session.readOn();
    for (let seq = 4; seq <= limit; seq += 1) await expect(session.next('progress')).resolves.toMatchObject({ seq });
    stop.resolve();
  });
});

describe('traces', () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const offered = `00-${traceId}-b7ad6b7169203331-01`;

  it('go on from the offer: a span for the task, one for each step, and each report carries its own', async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
    const { hub } = await hubAndBot(
      async (task) => {
        await task.step('stop', { 'mallbots.store_id': 's' }, async (stop) => {
          await stop.progress(reached(0));
          await stop.step('pick', {}, (pick) => pick.progress(reached(1)));
        });
        return nothingPicked;
      },
      { tracer: provider.getTracer('test') },
    );
    const session = await hub.nextSession();
    await session.welcome();
    const start = await session.assign({ ...emptyTask, taskId: 't', fence: 2 }, offered);
    const stop = await session.next('progress');
    const pick = await session.next('progress');
    const result = await session.next('result');
    const spans = new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));
    const idOf = (name: string) => spans.get(name)!.spanContext().spanId;
    expect([...spans.keys()]).toEqual(['pick', 'stop', 'shop task']);
    expect(spans.get('shop task')!.parentSpanContext!.spanId).toBe('b7ad6b7169203331');
    expect(spans.get('stop')!.parentSpanContext!.spanId).toBe(idOf('shop task'));
    expect(spans.get('pick')!.parentSpanContext!.spanId).toBe(idOf('stop'));
    expect([start, stop, pick, result].map(({ traceparent }) => traceparent)).toEqual(
      ['shop task', 'stop', 'pick', 'shop task'].map((name) => `00-${traceId}-${idOf(name)}-01`),
    );
    for (const span of spans.values()) {
      expect(span.attributes).toMatchObject({
        'mallbots.order_id': 'order-1',
        'mallbots.correlation_id': 'order-1',
        'mallbots.bot_id': 'bot-1',
        'mallbots.task_id': 't',
        'mallbots.fence': 2,
      });
    }
    expect(spans.get('stop')!.attributes['mallbots.store_id']).toBe('s');
  });

  it('go on from the lease where that brings a trace context', async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
    const { hub } = await hubAndBot(async () => nothingPicked, { tracer: provider.getTracer('test') });
    const session = await hub.nextSession();
    await session.welcome();
    const offer = { ...emptyTask, taskId: 't' };
    session.offer(offer, offered);
    await expect(session.next('offerReply')).resolves.toMatchObject({ traceparent: offered });
    session.lease('t', 1, `00-${traceId}-00f067aa0ba902b7-01`);
    await session.nextStart(offer);
    await session.next('result');
    expect(exporter.getFinishedSpans()[0]).toMatchObject({
      parentSpanContext: { traceId, spanId: '00f067aa0ba902b7' },
    });
  });

  it('are passed on unbroken by a bot that records none', async () => {
    const { hub } = await hubAndBot(async (task) => {
      await task.step('stop', {}, (stop) => stop.progress(reached(0)));
      return nothingPicked;
    });
    const session = await hub.nextSession();
    await session.welcome();
    const start = await session.assign({ ...emptyTask, taskId: 't' }, offered);
    expect(start.traceparent).toBe(offered);
    await expect(session.next('progress')).resolves.toMatchObject({ traceparent: offered });
    await expect(session.next('result')).resolves.toMatchObject({ traceparent: offered });
  });
});

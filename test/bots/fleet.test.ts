import { describe, expect, it, onTestFinished } from 'vitest';
import { returnKind } from '../../bots/sdk/index.ts';
import { type Fleet, type FleetOptions, startFleet } from '../../bots/simulator/fleet.ts';
import type { FleetEvent } from '../../bots/simulator/fleet-event.ts';
import { Outcome, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { ReturnProgress, ReturnResult, ReturnTask } from '../../src/gen/kinds/return/v1/return.ts';
import { ShopProgress, ShopResult, ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { type ScriptedHub, type ScriptedSession, startScriptedHub } from '../support/scripted-hub.ts';
import { patient, schema } from './robot.ts';

/** A tour of minutes takes milliseconds. */
const timeScale = 20_000;

async function floor(options: Partial<FleetOptions> = {}) {
  const hub = await startScriptedHub();
  const events: FleetEvent[] = [];
  const fleet = startFleet({
    hub: hub.address,
    count: 1,
    timeScale,
    onEvent: (event) => events.push(event),
    ...options,
  });
  onTestFinished(async () => {
    await fleet.stop({ deadlineMs: 0 });
    await hub[Symbol.asyncDispose]();
  });
  return { hub, fleet, events };
}

const items = [
  { lineId: 'l1', productId: 'p1', sku: 'tea', name: 'Tea', quantity: 3 },
  { lineId: 'l2', productId: 'p2', sku: 'milk', name: 'Milk', quantity: 2 },
];

function shopping(taskId: string, metres = 50) {
  const stops = [
    { storeId: 's1', storeName: 'Greens', place: { x: metres, y: 0 }, items: [items[0]!] },
    { storeId: 's2', storeName: 'Dairy', place: { x: metres, y: metres }, items: [items[1]!] },
  ];
  const payload = Buffer.from(ShopTask.encode({ orderId: 'o1', stops, depot: { x: 0, y: 0 } }).finish());
  return { taskId, schema, orderId: 'o1', payload };
}

/** Steps up to and with the result, and the result; acknowledges on the way. */
async function follow(session: ScriptedSession) {
  const steps: unknown[] = [];
  for (;;) {
    const report = await session.nextOf(['progress', 'result']);
    session.ack(report.seq);
    if (report.body.$case === 'result') {
      return { steps, outcome: report.body.value.outcome, result: ShopResult.decode(report.body.value.payload) };
    }
    const { started, payload } = report.body.value;
    // Sent again when the cut came before the hub had heard it.
    if (started) {
      steps.push('started');
      continue;
    }
    const { step } = ShopProgress.decode(payload);
    steps.push([step!.$case, 'lineId' in step!.value ? step!.value.quantity : step!.value.stopIndex]);
  }
}

const backSchema = { kind: returnKind.kind, revision: returnKind.revision, digest: returnKind.digest };

function bringingBack(taskId: string, metres = 50, collect?: ReturnTask['collect']) {
  const stops = [{ storeId: 's1', storeName: 'Greens', place: { x: metres, y: 0 }, items: [items[0]!] }];
  const payload = Buffer.from(ReturnTask.encode({ orderId: 'o1', stops, depot: { x: 0, y: 0 }, collect }).finish());
  return { taskId, schema: backSchema, orderId: 'o1', payload };
}

/** Tasks of a kind that the robot has said it takes, over time. */
const credits = (session: ScriptedSession, kind: string) =>
  session.heard.flatMap(({ body }) =>
    body?.$case === 'credit' && body.value.kind === kind ? [body.value.amount] : [],
  );

async function connected(hub: ScriptedHub, more: Parameters<ScriptedSession['welcome']>[0] = {}) {
  const session = await hub.nextSession();
  const { body: hello } = await session.welcome(more);
  return { session, hello };
}

describe('a tour', () => {
  it('visits the stores in order, picks, and brings the goods to the depot', async () => {
    const { hub, fleet, events } = await floor();
    const { session } = await connected(hub);
    await session.assign(shopping('t1'));
    const { steps, outcome, result } = await follow(session);
    expect(outcome).toBe(Outcome.SUCCEEDED);
    expect(steps).toEqual([
      ['stopReached', 0],
      ['itemPicked', 3],
      ['stopReached', 1],
      ['itemPicked', 2],
    ]);
    expect(result.lines).toMatchObject([
      { lineId: 'l1', picked: 3, short: 0 },
      { lineId: 'l2', picked: 2, short: 0 },
    ]);
    expect(result.walkedMetres).toBeCloseTo(50 + 50 + Math.hypot(50, 50));
    expect(fleet.stats()).toMatchObject({
      bots: 1,
      connected: 1,
      picked: 5,
      short: 0,
      tours: { started: 1, delivered: 1 },
    });
    expect(events.map(({ type }) => type)).toEqual([
      'connected',
      'tour_started',
      'stop_reached',
      'item_picked',
      'stop_reached',
      'item_picked',
      'delivered',
    ]);
  });

  it('reports what is short: all of a short sku, one unit by rate', async () => {
    const { hub } = await floor({ faults: { shortSkus: ['tea'], shortRate: 1 } });
    const { session } = await connected(hub);
    await session.assign(shopping('t1'));
    const { steps, result } = await follow(session);
    expect(steps).toEqual([
      ['stopReached', 0],
      ['itemShort', 3],
      ['stopReached', 1],
      ['itemPicked', 1],
      ['itemShort', 1],
    ]);
    expect(result.lines).toMatchObject([
      { lineId: 'l1', picked: 0, short: 3 },
      { lineId: 'l2', picked: 1, short: 1 },
    ]);
  });
});

describe('a return', () => {
  it('brings the goods to their shelves, for which the robot takes no list meanwhile', async () => {
    const { hub, fleet, events } = await floor();
    const { session } = await connected(hub);
    await session.assign(bringingBack('r1'));
    const steps: unknown[] = [];
    for (let result: ReturnResult | undefined; !result; ) {
      const { body, seq } = await session.nextOf(['progress', 'result']);
      session.ack(seq);
      if (body.$case === 'result') {
        expect(body.value).toMatchObject({ taskId: 'r1', outcome: Outcome.SUCCEEDED });
        result = ReturnResult.decode(body.value.payload);
        expect(result.walkedMetres).toBeCloseTo(100);
      } else if (!body.value.started) steps.push(ReturnProgress.decode(body.value.payload).step);
    }
    expect(steps).toMatchObject([
      { $case: 'stopReached', value: { storeId: 's1', stopIndex: 0 } },
      { $case: 'itemReturned', value: { lineId: 'l1', productId: 'p1', storeId: 's1', quantity: 3 } },
    ]);
    await expect.poll(() => credits(session, 'shop'), patient).toEqual([0, 1]);
    expect(events.map(({ type }) => type)).toEqual([
      'connected',
      'return_started',
      'stop_reached',
      'item_returned',
      'returned',
    ]);
    expect(fleet.stats()).toMatchObject({ returned: 3, returns: { started: 1, done: 1, aborted: 0 } });
  });

  it('of goods that wait at the depot begins there', async () => {
    const { hub, fleet, events } = await floor();
    const { session } = await connected(hub);
    await session.assign(bringingBack('r1', 50, { place: { x: 0, y: -30 }, bay: 'B3' }));
    for (let isDone = false; !isDone; ) {
      const { body, seq } = await session.nextOf(['progress', 'result']);
      session.ack(seq);
      if (body.$case !== 'result') continue;
      expect(ReturnResult.decode(body.value.payload).walkedMetres).toBeCloseTo(30 + Math.hypot(30, 50) + 50);
      isDone = true;
    }
    expect(events.map(({ type }) => type)).toEqual([
      'connected',
      'return_started',
      'goods_collected',
      'stop_reached',
      'item_returned',
      'returned',
    ]);
    expect(events[2]).toMatchObject({ bay: 'B3' });
    expect(fleet.stats()).toMatchObject({ returned: 3 });
  });

  it('that is asked for on a tour is made after it', async () => {
    const { hub, fleet, events } = await floor({ timeScale: 500 });
    const { session } = await connected(hub);
    await session.assign(shopping('t1'));
    await session.assign(bringingBack('r1'));
    for (const taskId of ['t1', 'r1']) {
      for (;;) {
        const { body, seq } = await session.nextOf(['progress', 'result']);
        session.ack(seq);
        if (body.$case !== 'result') continue;
        expect(body.value).toMatchObject({ taskId, outcome: Outcome.SUCCEEDED });
        break;
      }
    }
    const told = events.map(({ type }) => type);
    expect(told.indexOf('return_started')).toBeGreaterThan(told.indexOf('delivered'));
    expect(fleet.stats()).toMatchObject({ picked: 5, returned: 3 });
  });

  it('that a crash interrupts is forgotten like a tour, and the robot comes back as one that serves returns', async () => {
    const { hub, fleet } = await floor({ faults: { crashRate: 1 } });
    const first = await connected(hub);
    await first.session.grant(bringingBack('r1'));
    await first.session.end();
    const back = await connected(hub);
    expect(back.hello).toMatchObject({ heldTasks: [], kinds: [{ kind: 'shop' }, { kind: 'return' }] });
    expect(fleet.stats()).toMatchObject({ crashes: 1, returns: { started: 1, aborted: 1, done: 0 } });
  });
});

describe('a robot', () => {
  it('that loses its connection works on and reports when it is back', async () => {
    const { hub, fleet } = await floor({ faults: { disconnectRate: 1 } });
    const first = await connected(hub);
    await first.session.grant(shopping('t1'));
    await first.session.end();
    expect(first.session.heard.map(({ body }) => body?.$case)).not.toContain('goodbye');
    const last = Math.max(...first.session.heard.map(({ seq }) => seq));
    const back = await connected(hub, {
      verdicts: [{ taskId: 't1', fence: 1, verdict: Verdict.CONTINUE }],
      lastBotSeq: last,
    });
    expect(back.hello.instanceId).toBe(first.hello.instanceId);
    expect(back.hello.heldTasks).toMatchObject([{ taskId: 't1', fence: 1 }]);
    const { outcome } = await follow(back.session);
    expect(outcome).toBe(Outcome.SUCCEEDED);
    expect(fleet.stats()).toMatchObject({ disconnects: 1, crashes: 0 });
  });

  it('that crashes forgets everything and comes back as another instance', async () => {
    const { hub, fleet, events } = await floor({ faults: { crashRate: 1 } });
    const first = await connected(hub);
    await first.session.grant(shopping('t1'));
    await first.session.end();
    const back = await connected(hub);
    expect(first.session.heard.map(({ body }) => body?.$case)).not.toContain('result');
    expect(first.session.heard.map(({ body }) => body?.$case)).not.toContain('goodbye');
    expect(back.hello).toMatchObject({ botId: first.hello.botId, bootCount: 2, heldTasks: [] });
    expect(back.hello.instanceId).not.toBe(first.hello.instanceId);
    expect(back.hello.resumeToken).toHaveLength(0);
    expect(events).toContainEqual(expect.objectContaining({ type: 'tour_aborted', why: 'killed', taskId: 't1' }));
    expect(fleet.stats()).toMatchObject({ crashes: 1, tours: { started: 1, aborted: 1, delivered: 0 } });
  });

  it('whose battery is low takes no task until it is charged', async () => {
    const { hub, events } = await floor();
    const { session } = await connected(hub);
    await session.assign(shopping('t1', 700));
    await expect(session.next('progress')).resolves.toBeDefined();
    await follow(session);
    await expect.poll(() => credits(session, 'shop'), patient).toEqual([0, 1]);
    expect(credits(session, 'return')).toEqual([0, 1]);
    expect(events.map(({ type }) => type).slice(-3)).toEqual(['delivered', 'charging', 'charged']);
    session.offer(shopping('t2'));
    await expect(session.next('offerReply')).resolves.toMatchObject({ body: { accepted: true } });
  });
});

describe('a fleet', () => {
  it('has as many bots as asked for, by name and number, and says goodbye for each', async () => {
    const { hub, fleet } = await floor({ count: 3, namePrefix: 'cart-', firstNumber: 5 });
    const all = await Promise.all([connected(hub), connected(hub), connected(hub)]);
    expect(all.map(({ hello }) => hello.botId).sort()).toEqual(['cart-5', 'cart-6', 'cart-7']);
    await expect.poll(() => fleet.stats().connected, patient).toBe(3);
    const stopped = fleet.stop();
    for (const { session } of all)
      await expect(session.next('goodbye')).resolves.toMatchObject({ body: { reason: 'the fleet stops' } });
    await stopped;
    expect(fleet.stats().connected).toBe(0);
  });

  it.each([
    [{ timeScale: 0 }, 'timeScale is 0'],
    [{ count: -1 }, 'count is -1'],
  ])('refuses %j', (more, message) => {
    expect((): Fleet => startFleet({ hub: '127.0.0.1:1', count: 1, ...more })).toThrow(message);
  });
});

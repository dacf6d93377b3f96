import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it, onTestFinished } from 'vitest';
import { noFaults } from '../../bots/simulator/faults.ts';
import { type FleetOptions, startFleet } from '../../bots/simulator/fleet.ts';
import type { FleetEvent } from '../../bots/simulator/fleet-event.ts';
import { maxPlaces, placesIn, sayable } from '../../bots/simulator/hearsay.ts';
import { vetoOf } from '../../bots/simulator/veto.ts';
import { Outcome, type Revision, RevisionStatus } from '../../src/gen/fleet/v1/fleet.ts';
import { giftNotes, inspect, read, written } from '../support/revisions.ts';
import { type ScriptedSession, startScriptedHub } from '../support/scripted-hub.ts';
import { patient } from './robot.ts';

/** A tour of minutes takes milliseconds. */
const timeScale = 20_000;

async function robot(options: Partial<FleetOptions>) {
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
  const session = await hub.nextSession();
  const { body: hello } = await session.welcome();
  return { session, hello, fleet, events };
}

async function offer(session: ScriptedSession, revision: Revision) {
  session.send({ $case: 'protocolOffer', value: { add: [revision], remove: [], retired: [] } });
  for (;;) {
    const { body } = await session.next('protocolStatus');
    if (body.status === RevisionStatus.APPLIED || body.status === RevisionStatus.REJECTED) return body;
  }
}

/** Progress up to the result, and that. */
async function follow(session: ScriptedSession, revision: Revision) {
  const steps: unknown[] = [];
  for (;;) {
    const { body, seq } = await session.nextOf(['progress', 'result']);
    session.ack(seq);
    if (body.$case === 'progress') {
      steps.push(read(revision, 'progressMessage', body.value.payload));
      continue;
    }
    expect(body.value).toMatchObject({ outcome: Outcome.SUCCEEDED, schema: revision.schema });
    return { steps, result: read(revision, 'resultMessage', body.value.payload) };
  }
}

describe('a simulated robot', () => {
  it('does a task of a kind that it was not made for, as well as the words of the kind allow', async () => {
    const { session, hello, fleet, events } = await robot({ generic: true });
    expect(hello.anyKind).toBe(true);
    const one = inspect();
    expect(await offer(session, one)).toMatchObject({ status: RevisionStatus.APPLIED });
    const payload = written(one, 'taskMessage', { shelf: 'A7', place: { x: 3, y: 4 } });
    await session.assign({ taskId: 't', orderId: 'o', schema: one.schema!, payload });
    expect(await follow(session, one)).toEqual({ steps: [{ metres: 5 }], result: { isTidy: true } });
    await expect
      .poll(() => fleet.stats(), patient)
      .toMatchObject({
        errands: { started: 1, done: 1, aborted: 0 },
        revisions: { applied: 1, rejected: 0 },
      });
    expect(events).toContainEqual({ type: 'errand_done', kind: 'inspect', botId: 'bot-1', orderId: 'o', taskId: 't' });
  });

  it('takes kinds that it was made for only, unless it is told otherwise', async () => {
    const { session, hello } = await robot({});
    expect(hello.anyKind).toBe(false);
    expect(await offer(session, inspect())).toMatchObject({ status: RevisionStatus.REJECTED });
  });

  it('repeats what a newer revision says of an item where it reports on the item', async () => {
    const { session } = await robot({});
    const two = giftNotes();
    await offer(session, two);
    const items = [{ lineId: 'l', productId: 'p', name: 'Tea', quantity: 2, giftNote: 'for Ada' }];
    const payload = written(two, 'taskMessage', { orderId: 'o', stops: [{ storeId: 's', place: { x: 1 }, items }] });
    await session.assign({ taskId: 't', orderId: 'o', schema: two.schema!, payload });
    const { steps } = await follow(session, two);
    expect(steps).toEqual([
      { stopReached: { storeId: 's' } },
      { itemPicked: { lineId: 'l', productId: 'p', storeId: 's', quantity: 2, giftNote: 'for Ada' } },
    ]);
  });

  it('rejects what it is told to reject, and says why', async () => {
    const { session, events } = await robot({ faults: { rejectRevisions: ['shop@3'] } });
    expect(await offer(session, giftNotes(2))).toMatchObject({ status: RevisionStatus.APPLIED });
    const reason = 'this robot is told to reject shop@3';
    expect(await offer(session, giftNotes(3))).toMatchObject({ status: RevisionStatus.REJECTED, reason });
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'revision_rejected', kind: 'shop', revision: 3, reason }),
    );
  });
});

describe('who rejects', () => {
  it('is every robot, of the next major of what it was made for: walking there is not shopping', () => {
    const says = (kind: string) => vetoOf(7, noFaults, 'bot-1')({ ...revision, kind });
    expect(['shop.v2', 'return.v10'].map(says)).toEqual([
      'this robot was not made for shop.v2',
      'this robot was not made for return.v10',
    ]);
    expect(['shop', 'shopping.v2', 'inspect.v2'].map(says)).toEqual([true, true, true]);
  });

  const set = fromBinary(FileDescriptorSetSchema, giftNotes().fileDescriptorSet);
  const registry = createFileRegistry(set);
  const message = registry.getMessage('kinds.shop.v1.ShopTask')!;
  const revision = {
    kind: 'shop',
    revision: 2,
    digest: 'sha256:d',
    registry,
    task: message,
    progress: message,
    result: message,
  };
  const rejecting = (faults: Partial<typeof noFaults>) =>
    Array.from({ length: 200 }, (_, index) => `bot-${index}`).filter(
      (botId) => vetoOf(7, { ...noFaults, ...faults }, botId)(revision) !== true,
    );

  it.each<[Partial<typeof noFaults>]>([
    [{ rejectKinds: ['shop'] }],
    [{ rejectRevisions: ['shop@2'] }],
    [{ rejectRevisions: ['sha256:d'] }],
  ])('is everybody where no share is given: %o', (faults) => {
    expect(rejecting(faults)).toHaveLength(200);
  });

  it.each<[Partial<typeof noFaults>]>([[{}], [{ rejectKinds: ['return'], rejectRevisions: ['shop@3', 'return@2'] }]])(
    'is nobody where something else is meant: %o',
    (faults) => {
      expect(rejecting(faults)).toEqual([]);
    },
  );

  it('is a share of the robots, the same ones each time', () => {
    const some = rejecting({ rejectKinds: ['shop'], rejectShare: 0.25 });
    expect(some.length).toBeGreaterThan(25);
    expect(some.length).toBeLessThan(75);
    expect(rejecting({ rejectKinds: ['shop'], rejectShare: 0.25 })).toEqual(some);
  });
});

describe('what can be made of a message by its names', () => {
  it('are the places in it, but for the depot, and not without end', () => {
    expect(
      placesIn({ name: 'x', at: { x: 1, y: 2 }, all: [{ spot: { x: 3, y: 4 } }, { x: 5 }], depot: { x: 0, y: 0 } }),
    ).toEqual([
      { x: 1, y: 2 },
      { x: 3, y: 4 },
    ]);
    expect(placesIn({ all: Array.from({ length: 100 }, (_, x) => ({ x, y: 0 })) })).toHaveLength(maxPlaces);
  });

  it('are fields that take what is known under their name', () => {
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, giftNotes().fileDescriptorSet));
    const of = (name: string) => registry.getMessage(`kinds.shop.v1.${name}`)!;
    expect(sayable(of('Item'), { lineId: 'l', quantity: 2.4, giftNote: 7, sku: '', other: 'x' })).toEqual({
      lineId: 'l',
      quantity: 2,
    });
    // The first of a oneof that can be said; lists are left out.
    expect(sayable(of('ShopProgress'), { storeId: 's', lineId: 'l' })).toEqual({ stopReached: { storeId: 's' } });
    expect(sayable(of('ShopResult'), { walkedMetres: 3, lines: [{ lineId: 'l' }] })).toEqual({ walkedMetres: 3 });
    expect(sayable(of('Stop'), { place: { x: 1, y: 2 }, x: 9 })).toEqual({ place: { x: 1, y: 2 } });
  });
});

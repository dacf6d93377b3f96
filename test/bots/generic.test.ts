import { describe, expect, it } from 'vitest';
import { anyKind, type GenericHandler, type GenericTask, otherKinds, shopKind } from '../../bots/sdk/index.ts';
import { NackReason, Outcome, RevisionStatus } from '../../src/gen/fleet/v1/fleet.ts';
import { inspect, read, written } from '../support/revisions.ts';
import type { ScriptedHub, ScriptedSession } from '../support/scripted-hub.ts';
import { hubAndBot, nothingPicked } from './robot.ts';

const one = inspect();
const asked = {
  taskId: 't',
  orderId: 'order-1',
  schema: one.schema!,
  payload: written(one, 'taskMessage', {
    shelf: 'A7',
    place: { x: 3, y: 4 },
    priority: 'PRIORITY_URGENT',
    serial: '18446744073709551615',
  }),
};

const generic = (handler: GenericHandler) =>
  hubAndBot(async () => nothingPicked, {
    kinds: [shopKind.serve(async () => nothingPicked), anyKind.serve(handler, { credits: 2 })],
  });

/** A session whose bot has just learned the kind; with the credit that it gave for it. */
async function taught(hub: ScriptedHub) {
  const session = await hub.nextSession();
  const { body: hello } = await session.welcome();
  session.send({ $case: 'protocolOffer', value: { add: [one], remove: [], retired: [] } });
  await applied(session);
  return { session, hello };
}

async function applied(session: ScriptedSession): Promise<void> {
  const status = RevisionStatus.APPLIED;
  expect((await session.next('protocolStatus')).body).toMatchObject({ schema: one.schema, status });
}

const creditsSaid = (session: ScriptedSession) =>
  session.heard.flatMap(({ body }) => (body?.$case === 'credit' ? [[body.value.kind, body.value.amount]] : []));

describe('a kind that the bot has never heard of', () => {
  it('is learned while it runs, and done by its descriptors alone', async () => {
    const seen = Promise.withResolvers<GenericTask>();
    const { hub } = await generic(async (task) => {
      seen.resolve(task);
      await task.step('look', {}, (step) => step.progress({ seen: 'a leaning jar', metres: 1.5 }));
      return { isTidy: false, findings: ['jar'] };
    });
    const { session, hello } = await taught(hub);
    expect(hello).toMatchObject({ anyKind: true, kinds: [{ kind: 'shop' }], credits: [{ kind: 'shop', amount: 1 }] });
    expect(creditsSaid(session)).toEqual([['inspect', 2]]);
    await session.assign(asked);
    const { body: report } = await session.next('progress');
    expect(report.schema).toMatchObject(one.schema!);
    expect(read(one, 'progressMessage', report.payload)).toEqual({ seen: 'a leaning jar', metres: 1.5 });
    const { body: result } = await session.next('result');
    expect(result).toMatchObject({ outcome: Outcome.SUCCEEDED, schema: one.schema });
    expect(read(one, 'resultMessage', result.payload)).toEqual({ findings: ['jar'] });
    const task = await seen.promise;
    expect(task.payload).toEqual({
      shelf: 'A7',
      place: { x: 3, y: 4 },
      photos: 0,
      priority: 'PRIORITY_URGENT',
      serial: '18446744073709551615',
    });
    expect(task.field('place.x')).toBe(3);
    expect(task.messages.result.fields.map(({ name }) => name)).toEqual(['is_tidy', 'findings']);
  });

  it('gets a TypeError with field and value for what its messages cannot say', async () => {
    const { hub } = await generic(async (task) => {
      const said = async (json: Parameters<typeof task.progress>[0]) =>
        task.progress(json).then(
          () => 'taken',
          (error: Error) => `${error.name}: ${error.message}`,
        );
      const where = 'progress of kind "inspect" revision 1 is no kinds.inspect.v1.InspectProgress';
      expect(await said({ metres: 'far' })).toBe(
        `TypeError: ${where}: cannot decode field kinds.inspect.v1.InspectProgress.metres from JSON: expected number (float64), got "far"`,
      );
      expect(await said({ smell: 1 })).toContain(`${where}: `);
      expect(await said({ smell: 1 })).toContain('"smell"');
      return { isTidy: 'very' };
    });
    const { session } = await taught(hub);
    await session.assign(asked);
    const { body } = await session.next('result');
    expect(body.outcome).toBe(Outcome.FAILED);
    expect(body.reason).toContain('InspectResult.is_tidy from JSON: expected boolean, got "very"');
  });

  it('is declined with the reason when its payload is not of its revision', async () => {
    const { hub } = await generic(async () => ({}));
    const { session } = await taught(hub);
    session.offer({ ...asked, payload: Buffer.from([0xff, 0xff]) });
    expect((await session.next('nack')).body.reason).toBe(NackReason.PAYLOAD_UNDECODABLE);
    const { body } = await session.next('offerReply');
    expect(body).toMatchObject({ accepted: false, refusal: NackReason.PAYLOAD_UNDECODABLE });
  });

  it('is in the next hello with its credit, and paused with all others of its handler', async () => {
    const { hub, bot } = await generic(async () => ({}));
    const { session } = await taught(hub);
    bot.setCredits(otherKinds, 0);
    session.offer(asked);
    expect((await session.next('offerReply')).body).toMatchObject({ accepted: false, refusal: NackReason.UNSPECIFIED });
    expect(creditsSaid(session)).toEqual([
      ['inspect', 2],
      ['inspect', 0],
    ]);
    bot.setCredits('inspect', 1);
    bot.cut();
    const { body: hello } = await (await hub.nextSession()).welcome();
    expect(hello.kinds).toMatchObject([{ kind: 'shop' }, { kind: 'inspect', digests: [one.schema!.digest] }]);
    expect(hello.credits).toMatchObject([
      { kind: 'shop', amount: 1 },
      { kind: 'inspect', amount: 1 },
    ]);
  });
});

it('a bot serves one handler for all other kinds', async () => {
  const twice = [anyKind.serve(async () => ({})), anyKind.serve(async () => ({}))];
  await expect(hubAndBot(async () => nothingPicked, { kinds: twice })).rejects.toThrow('kinds are "any,any"');
});

import { create } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  OneofDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { anyKind, defineKind, genericKind, maxRevisionBytes, maxRevisions, shopKind } from '../../bots/sdk/index.ts';
import { NackReason, type Revision, RevisionStatus } from '../../src/gen/fleet/v1/fleet.ts';
import { digestOf, edited, giftNotes, inspect } from '../support/revisions.ts';
import { hubAndBot, schema } from './robot.ts';
import { idle, offer, taskOf, teach, verdict, welcomed } from './teaching.ts';

const noSet = Buffer.from('no descriptor set');
const garbage: Revision = {
  ...giftNotes(),
  schema: { kind: 'shop', revision: 2, digest: digestOf(noSet) },
  fileDescriptorSet: noSet,
};
const { APPLIED, REJECTED } = RevisionStatus;
const raise = (thrown: unknown): never => {
  throw thrown;
};

describe('a revision is rejected, with the reason, when', () => {
  const two = giftNotes();
  const retyped = edited('shop', 2, (message) => {
    message('Stop').field[0]!.type = FieldDescriptorProto_Type.BYTES;
  });
  const listed = edited('shop', 2, (message) => {
    message('LineOutcome').field[1]!.label = FieldDescriptorProto_Label.REPEATED;
  });
  const movedIn = edited('shop', 2, (message) => {
    message('ItemPicked').oneofDecl.push(create(OneofDescriptorProtoSchema, { name: 'what' }));
    message('ItemPicked').field[3]!.oneofIndex = 0;
    message('ItemPicked').field[3]!.proto3Optional = false;
  });
  const unimported = edited('shop', 2, (_, file) => {
    file.dependency.push('google/protobuf/timestamp.proto');
  });
  const huge = { ...two, fileDescriptorSet: Buffer.alloc(maxRevisionBytes + 1) };
  it.each<[string, Revision, string]>([
    [
      'its digest is not that of the set',
      { ...two, schema: { ...two.schema!, digest: 'sha256:00' } },
      'digest is "sha256:00", but',
    ],
    ['it names no schema', { ...two, schema: undefined }, 'kind "" is not served'],
    ['the set is no descriptor set', garbage, 'file_descriptor_set is not a FileDescriptorSet'],
    ['the set lacks an import', unimported, 'file_descriptor_set is not a FileDescriptorSet with all its imports'],
    [
      'the set lacks a message',
      { ...two, resultMessage: 'kinds.shop.v1.Nope' },
      'result_message is "kinds.shop.v1.Nope"',
    ],
    ['the set is too large', huge, `has ${maxRevisionBytes + 1} bytes, this bot takes ${maxRevisionBytes}`],
    ['the bot does not serve the kind', inspect(), 'kind "inspect" is not served by this bot'],
    [
      'a field has another type',
      retyped,
      'field 1 (store_id) of kinds.shop.v1.Stop is bytes; the handler was generated for string',
    ],
    ['a field is a list', listed, 'field 2 (picked) of kinds.shop.v1.LineOutcome is a list of uint32'],
    ['a field has moved into a oneof', movedIn, 'field 4 (quantity) of kinds.shop.v1.ItemPicked is in oneof what'],
  ])('%s', async (_, revision, reason) => {
    const { hub, bot } = await hubAndBot(idle);
    const { session } = await welcomed(hub);
    offer(session, [revision]);
    const said = await verdict(session);
    expect(said.status).toBe(REJECTED);
    expect(said.reason).toContain(reason);
    expect([...bot.revisions.keys()]).toEqual(['shop']);
    expect(bot.revisions.get('shop')).toEqual([schema.digest]);
  });

  it('the bot does not want it, while it takes another kind that is offered with it', async () => {
    const { hub, bot } = await hubAndBot(idle, {
      kinds: [shopKind.serve(idle), genericKind('inspect').serve(async () => ({}))],
      accept: ({ kind, revision }) => kind !== 'shop' || `no ${kind} ${revision} in this shift`,
    });
    const { session } = await welcomed(hub);
    offer(session, [two, inspect()]);
    expect(await verdict(session)).toMatchObject({
      schema: two.schema,
      status: REJECTED,
      reason: 'no shop 2 in this shift',
    });
    expect(await verdict(session)).toMatchObject({ schema: inspect().schema, status: APPLIED });
    session.offer(taskOf(two, 't', {}));
    const reply = await session.next('offerReply');
    expect(reply.body).toMatchObject({ accepted: false, refusal: NackReason.UNKNOWN_SCHEMA });
    expect(bot.revisions.get('inspect')).toEqual([inspect().schema!.digest]);
  });

  it.each<[string, () => never, string]>([
    ['throws an error', () => raise(new TypeError('no shift')), 'accept threw "no shift"'],
    ['throws an error without a message', () => raise(new RangeError()), 'accept threw "RangeError"'],
    ['throws a string', () => raise('not today'), 'accept threw "not today"'],
    ['throws null', () => raise(null), 'accept threw "null"'],
    ['throws what has no string', () => raise(Object.create(null)), 'accept threw "[Object: null prototype] {}"'],
    ['answers nothing', () => undefined as never, 'accept says no, and not why'],
  ])('`accept` %s, and the next one is asked about', async (_, fail, reason) => {
    const { hub, bot } = await hubAndBot(idle, {
      kinds: [shopKind.serve(idle), genericKind('inspect').serve(async () => ({}))],
      accept: ({ kind }) => kind !== 'shop' || fail(),
    });
    const { session } = await welcomed(hub);
    offer(session, [two, inspect()]);
    expect(await verdict(session)).toMatchObject({ schema: two.schema, status: REJECTED, reason });
    expect(await verdict(session)).toMatchObject({ schema: inspect().schema, status: APPLIED });
    expect(bot.revisions.get('shop')).toEqual([schema.digest]);
  });

  it.each<[string, () => string]>([
    ['says no', () => 'not any more'],
    ['throws', () => raise('not any more')],
  ])('the bot speaks it and `accept` %s when it comes again: the bot speaks it no more', async (_, no) => {
    let isWanted = true;
    const { hub, bot } = await hubAndBot(idle, { accept: () => isWanted || no() });
    const { session } = await welcomed(hub);
    await teach(session, two);
    isWanted = false;
    offer(session, [two]);
    const said = await verdict(session);
    expect(said.status).toBe(REJECTED);
    expect(said.reason).toContain('not any more');
    expect(bot.revisions.get('shop')).toEqual([schema.digest]);
  });

  it('the handler was defined without its descriptors', async () => {
    const { kind, revision, digest, task, progress, result } = shopKind;
    const bare = defineKind({ kind, revision, digest, task, progress, result });
    const { hub } = await hubAndBot(idle, { kinds: [bare.serve(idle)] });
    const { session } = await welcomed(hub);
    offer(session, [two]);
    expect((await verdict(session)).reason).toContain('defined without its descriptors');
  });

  it('the bot has as many as it keeps', async () => {
    const { hub } = await hubAndBot(idle, { kinds: [anyKind.serve(async () => ({}))] });
    const { session } = await welcomed(hub);
    const many = Array.from({ length: maxRevisions + 1 }, (_, index) => inspect(1, `Shelf${index}`));
    offer(session, many);
    for (const revision of many.slice(0, -1)) {
      expect(await verdict(session)).toMatchObject({ schema: revision.schema, status: APPLIED });
    }
    const last = await verdict(session);
    expect(last).toMatchObject({ schema: many.at(-1)!.schema, status: REJECTED });
    expect(last.reason).toContain(`keeps ${maxRevisions} revisions`);
    // One that it keeps already takes no more room.
    await teach(session, many[0]!);
  });
});

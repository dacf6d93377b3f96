import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, it } from 'vitest';
import { kinds } from '../../../src/gen/kinds.ts';
import { translatorOf } from '../../../src/hub/kinds/kind.ts';
import { checkPayloads } from '../../../src/hub/protocol/check/gate.ts';
import { type Language, readLanguage } from '../../../src/hub/protocol/check/language.ts';
import { rootsOf } from '../../../src/hub/protocol/check/revision.ts';
import { lossOf } from '../../../src/hub/protocol/check/round-trip.ts';
import { readCorpus } from '../../../src/hub/protocol/corpus/corpus.ts';
import { compiled, crate, edited } from './source.ts';

const kindNames = Object.keys(kinds) as (keyof typeof kinds)[];

const builtIn = (kind: keyof typeof kinds): Language =>
  readLanguage({ label: 'built in', fileDescriptorSet: Buffer.from(kinds[kind].fileDescriptorSet, 'base64') });

describe.each(kindNames)('what was recorded of kind %s', (kind) => {
  const recorded = readCorpus(kind);

  it('has every part, and every member of the oneof of its progress', () => {
    const { registry } = builtIn(kind);
    const progress = registry.getMessage(kinds[kind].progressMessage)!;
    const members = recorded
      .filter(({ part }) => part === 'progress')
      .map(({ payload }) => (fromBinary(progress, payload) as unknown as { step: { case?: string } }).step.case);
    expect(new Set(recorded.map(({ part }) => part))).toEqual(new Set(['task', 'progress', 'result']));
    expect(new Set(members)).toEqual(new Set(progress.oneofs[0]!.fields.map(({ localName }) => localName)));
    expect(recorded.every(({ schema }) => schema.kind === kind)).toBe(true);
  });

  it('is read without a rest by the revision of this program', () => {
    const { registry } = builtIn(kind);
    const roots = rootsOf(kind);
    for (const { part, payload } of recorded) {
      const message = registry.getMessage(roots[part])!;
      const value = fromBinary(message, payload);
      expect(value.$unknown).toBeUndefined();
      expect(Buffer.from(toBinary(message, value))).toEqual(Buffer.from(payload));
    }
  });

  it('is still taken by the hub: its checks of values have not become tighter', () => {
    const translator = translatorOf(kind)!;
    const { revision, digest } = kinds[kind];
    const task = { taskId: 'task', orderId: 'order', fence: 1, attempt: 1, botId: 'bot', occurredAt: undefined, kind };
    for (const { part, payload } of recorded) {
      const reported = {
        task,
        original: { schema: { kind, revision, digest }, payload: Buffer.from(payload) },
        correlationId: 'order',
      };
      if (part === 'progress') expect(translator.progress(Buffer.from(payload), reported).name).toMatch(/^bots\./);
      if (part === 'result') expect(translator.result(payload)(reported).name).toBe('bots.task_succeeded');
    }
  });
});

describe('the last gate', () => {
  let older: Language;
  beforeAll(async () => {
    older = readLanguage(await compiled(crate));
  });

  const losses = async (...edits: Parameters<typeof edited>[1][]) =>
    checkPayloads(older, readLanguage(await compiled(edited(crate, ...edits))), 'crate', rootsOf('crate'));

  it('lets pass what only has more to say', async () => {
    expect(await losses(['bytes seal = 6;', 'bytes seal = 6;\n  repeated Crate spare = 15;'])).toEqual([]);
  });

  // Each of these is refused by a rule already: here it stands in for what no rule knows.
  it.each<readonly [string, readonly [string, string], string]>([
    ['another encoding', ['sint64 offset', 'int64 offset'], 'CrateTask'],
    ['another type', ['uint32 door', 'string door'], 'CrateTask'],
    ['a value that is cut', ['sint64 offset', 'sint32 offset'], 'CrateTask'],
    ['one of many', ['repeated uint32 counts', 'uint32 counts'], 'CrateResult'],
    ['another name in JSON for what is swapped', ['string aside = 4;', 'string aside = 3;'], ''],
  ])('finds %s by payloads alone', async (_, edit, message) => {
    const edits = message ? [edit] : [edit, ['string remark = 3', 'string remark = 4'] as const];
    const found = await losses(...edits);
    expect(found.length).toBeGreaterThan(0);
    expect(found.every(({ rule, line }) => rule === 'PAYLOAD_LOST' && line !== undefined)).toBe(true);
    if (message) expect(found.map((one) => one.message)).toContain(`kinds.crate.v1.${message}`);
  });

  it('says what is lost', () => {
    const { registry } = older;
    const reader = (name: string) => ({ message: registry.getMessage(`kinds.crate.v1.${name}`)!, registry });
    const crateOf = reader('Crate');
    expect(lossOf(Uint8Array.of(0x0a, 0x01, 0x61), crateOf, crateOf)).toBeUndefined();
    // Two numbers of a list, in two pieces as an encoder may send them: of a crate's label the second alone is left.
    const twoPieces = Uint8Array.of(0x0a, 0x01, 0x61, 0x0a, 0x01, 0x62);
    expect(lossOf(twoPieces, reader('CrateResult'), crateOf)).toBe('it comes back with other bytes');
    expect(lossOf(Uint8Array.of(0x0a, 0x09), crateOf, crateOf)).toMatch(/EOF|offset/i);
  });
});

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type FileDescriptorSet, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MallError } from '../../../src/contract/errors.ts';
import { bounds } from '../../../src/hub/protocol/check/bounds.ts';
import { checkByItself } from '../../../src/hub/protocol/check/candidate-rules.ts';
import { checkRevision } from '../../../src/hub/protocol/check/check.ts';
import { readLanguage } from '../../../src/hub/protocol/check/language.ts';
import { isKind, kindRemedy, rootsOf } from '../../../src/hub/protocol/check/revision.ts';
import type { RuleId } from '../../../src/hub/protocol/check/rules.ts';
import { kind } from './random-schema.ts';
import { compile, type Schema } from './schema-model.ts';

const nothing = { numbers: [], names: [] };

const plain = (): Schema => ({
  package: 'kinds.thing.v1',
  messages: ['ThingTask', 'ThingProgress', 'ThingResult'].map((name) => ({
    name,
    fields: [
      { name: 'id', number: 1, type: 'string', label: 'one' },
      { name: 'count', number: 2, type: 'uint32', label: 'one' },
    ],
    reserved: { numbers: [], names: [] },
  })),
  enums: [{ name: 'Mood', values: [{ name: 'MOOD_0', number: 0 }], reserved: nothing }],
});

/** Descriptors that no compiler makes: whoever calls the hub can send any. */
const hostile: ReadonlyArray<readonly [what: string, change: (schema: Schema) => void, rule: RuleId]> = [
  [
    'a number twice',
    ({ messages }) => {
      messages[0]!.fields[1]!.number = 1;
    },
    'DECLARED_TWICE',
  ],
  [
    'a name twice',
    ({ messages }) => {
      messages[0]!.fields[1]!.name = 'id';
    },
    'DECLARED_TWICE',
  ],
  [
    'a name in JSON twice',
    ({ messages }) => {
      messages[0]!.fields[1]!.jsonName = 'id';
    },
    'DECLARED_TWICE',
  ],
  [
    'a name of its own in JSON that another has',
    ({ messages }) => {
      messages[0]!.fields[1]!.jsonName = 'a_b';
      messages[0]!.fields[0]!.name = 'a_b';
    },
    'DECLARED_TWICE',
  ],
  [
    'a number that is reserved beside it',
    ({ messages }) => {
      messages[0]!.reserved.numbers.push(2);
    },
    'RESERVED_REUSED',
  ],
  [
    'a name that is reserved beside it',
    ({ messages }) => {
      messages[0]!.reserved.names.push('count');
    },
    'RESERVED_REUSED',
  ],
  [
    'number 0',
    ({ messages }) => {
      messages[0]!.fields[1]!.number = 0;
    },
    'NUMBER_INVALID',
  ],
  [
    'a number of protobuf itself',
    ({ messages }) => {
      messages[0]!.fields[1]!.number = 19_500;
    },
    'NUMBER_INVALID',
  ],
  [
    'a number beyond the last',
    ({ messages }) => {
      messages[0]!.fields[1]!.number = 536_870_912;
    },
    'NUMBER_INVALID',
  ],
  [
    'too long a name',
    ({ messages }) => {
      messages[0]!.fields[1]!.name = 'n'.repeat(bounds.nameChars + 1);
    },
    'TOO_LARGE',
  ],
  [
    'too many fields',
    ({ messages }) => {
      messages[0]!.fields = many(bounds.members + 1, (n) => ({
        name: `f${n}`,
        number: n + 1,
        type: 'string',
        label: 'one',
      }));
    },
    'TOO_LARGE',
  ],
  [
    'too many values',
    ({ enums }) => {
      enums[0]!.values = many(bounds.members + 1, (n) => ({ name: `MOOD_${n}`, number: n }));
    },
    'TOO_LARGE',
  ],
  [
    'too many messages',
    ({ messages }) => {
      messages.push(...many(bounds.types, (n) => ({ name: `M${n}`, fields: [], reserved: nothing })));
    },
    'TOO_LARGE',
  ],
  [
    'too many bytes',
    ({ messages }) => {
      messages.push(
        ...many(bounds.types - 10, (n) => ({
          name: `M${n}`,
          fields: many(7, (f) => ({
            name: `field_with_a_name_${f}`,
            number: f + 1,
            type: 'string',
            label: 'one' as const,
          })),
          reserved: nothing,
        })),
      );
    },
    'TOO_LARGE',
  ],
  [
    'a value twice',
    ({ enums }) => {
      enums[0]!.values.push({ name: 'MOOD_AGAIN', number: 0 });
    },
    'ENUM_ALIAS',
  ],
];

const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

describe('descriptors', () => {
  it('that are well formed are taken', async () => {
    expect(await checkRevision(compile(plain(), 'plain'), [], kind)).toMatchObject({ compatible: true, against: [] });
  });

  it.each(hostile)('with %s are refused by name, and trouble nobody', async (_, change, rule) => {
    const schema = plain();
    change(schema);
    const candidate = compile(schema, 'hostile');

    const { compatible, violations } = await checkRevision(candidate, [compile(plain(), 'older')], kind);

    expect(compatible).toBe(false);
    expect(violations.map((violation) => violation.rule)).toContain(rule);
  });

  it('that are too large are told that and nothing else, which would take as long as their sender likes', async () => {
    const schema = plain();
    const text = { type: 'string', label: 'one' } as const;
    schema.messages[0]!.reserved.numbers = many(500, (n) => 2 * n + 1);
    schema.messages[0]!.fields = many(bounds.members + 1, (n) => ({ ...text, name: 'same', number: n + 1 }));

    const { violations } = await checkRevision(compile(schema, 'large'), [compile(plain(), 'older')], kind);

    expect(violations.map(({ rule }) => rule)).toEqual(['TOO_LARGE']);
  });

  it('that are declared too deep are refused', () => {
    const set = fromBinary(FileDescriptorSetSchema, compile(plain(), 'plain').fileDescriptorSet);
    let message = set.file[0]!.messageType[0]!;
    for (let depth = 1; depth <= bounds.nesting; depth += 1) {
      message.nestedType.push({ ...structuredClone(message), name: `Deeper${depth}`, nestedType: [], field: [] });
      message = message.nestedType[0]!;
    }
    const candidate = readLanguage({ label: 'deep', fileDescriptorSet: toBinary(FileDescriptorSetSchema, set) });
    expect(checkByItself(candidate, rootsOf(kind)).map(({ what }) => what)).toEqual([
      `Deeper8 is declared ${bounds.nesting + 1} messages deep; ${bounds.nesting} may be`,
    ]);
  });

  const changed = (change: (set: FileDescriptorSet) => void): Uint8Array => {
    const set = fromBinary(FileDescriptorSetSchema, compile(plain(), 'plain').fileDescriptorSet);
    change(set);
    return toBinary(FileDescriptorSetSchema, set);
  };

  it.each([
    ['nonsense', Uint8Array.of(0xff, 0xff, 0xff)],
    ['nothing', new Uint8Array()],
    ['a set without a file', toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema))],
    ['more bytes than a call may have', new Uint8Array(bounds.sourceBytes + 1)],
    [
      'names that are longer together than the set by far',
      changed(({ file: [file] }) => {
        file!.package = 'p'.repeat(60_000);
        const [message] = file!.messageType;
        file!.messageType.push(...many(100, (n) => ({ ...message!, name: `M${n}`, field: [] })));
      }),
    ],
    ['a file twice', changed(({ file }) => file.push(file[0]!))],
    ['an import that is not there', changed(({ file }) => file[0]!.dependency.push('missing.proto'))],
    [
      'a type that is not there',
      changed(({ file }) => {
        Object.assign(file[0]!.messageType[0]!.field[0]!, { type: 11, typeName: '.no.Such' });
      }),
    ],
    [
      'a field without a name',
      changed(({ file }) => {
        file[0]!.messageType[0]!.field[0]!.name = '';
      }),
    ],
  ])('that are %s cannot be read, and the error says what to give', async (_, fileDescriptorSet) => {
    const error = await checkRevision({ label: 'given', fileDescriptorSet }, [], kind).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(MallError);
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', detail: { field: 'file_descriptor_set' } });
    expect((error as MallError).message).toMatch(/"given"; .+; give what "buf build" makes/);
  });
});

describe('the name of a kind', () => {
  it.each([
    ['shop', 'kinds.shop.v1.ShopTask'],
    ['shop.v2', 'kinds.shop.v2.ShopTask'],
    ['inspect-shelf', 'kinds.inspect_shelf.v1.InspectShelfTask'],
  ])('%s leads to its messages', (name, task) => {
    expect(rootsOf(name).task).toBe(task);
  });

  it.each<readonly [name: string, meant: string]>([
    ['shop.v1', 'give "shop": majors begin at v2, and what comes before is the name alone'],
    ['inspect_shelf', 'give "inspect-shelf": the words of a name are joined by -'],
    ['inspect_shelf.v2', 'give "inspect-shelf.v2": the words of a name are joined by -'],
    [
      'a_b.v1',
      'give "a-b": majors begin at v2, and what comes before is the name alone; the words of a name are joined by -',
    ],
    ['Shop', 'give a name such as shop, or shop.v2 for another major'],
  ])('is not %s, which would be another name for the same package; it says which one is meant', (name, remedy) => {
    expect(isKind(name)).toBe(false);
    expect(kindRemedy(name)).toBe(remedy);
  });

  it('is the only one that leads to its package', () => {
    const word = fc.stringMatching(/^[ab1_-]{1,5}(\.v[012])?$/).filter(isKind);
    fc.assert(fc.property(word, word, (a, b) => (a === b) === (rootsOf(a).package === rootsOf(b).package)));
  });

  it.each(['', 'Shop', '../shop', 'shop.v0', 'shop.v1.2', 'a--b', 'shop/'])('"%s" is none', (name) => {
    expect(isKind(name)).toBe(false);
    expect(() => rootsOf(name)).toThrow(RangeError);
  });
});

import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkBetween } from '../../../src/hub/protocol/check/between.ts';
import { checkByItself } from '../../../src/hub/protocol/check/candidate-rules.ts';
import { checkRevision } from '../../../src/hub/protocol/check/check.ts';
import { type Language, readLanguage } from '../../../src/hub/protocol/check/language.ts';
import { type Revision, rootsOf } from '../../../src/hub/protocol/check/revision.ts';
import { type RuleId, rules } from '../../../src/hub/protocol/check/rules.ts';
import { compiled, crate, edited } from './source.ts';

type Edit = readonly [from: string, to: string];

/** What is refused, by which rules, and at which words of the candidate (the line that has them is the line of the finding). */
const refused: ReadonlyArray<readonly [what: string, edits: readonly Edit[], expected: readonly RuleId[], at: string]> =
  [
    [
      'a number deleted',
      [['  string old_note = 10;\n', '  reserved "old_note";\n']],
      ['FIELD_NUMBER_NOT_RESERVED'],
      'message CrateTask',
    ],
    [
      'a name deleted',
      [['  string old_note = 10;\n', '  reserved 10;\n']],
      ['FIELD_NAME_NOT_RESERVED'],
      'message CrateTask',
    ],
    ['a field renamed', [['string old_note', 'string new_note']], ['FIELD_RENAMED'], 'new_note'],
    ['a field renumbered', [['old_note = 10', 'old_note = 11']], ['FIELD_RENUMBERED'], 'old_note'],
    [
      'a number taken from another field',
      [
        ['uint32 door = 5', 'uint32 door = 11'],
        ['bytes seal = 6', 'bytes seal = 5'],
      ],
      ['FIELD_RENAMED', 'FIELD_TYPE_CHANGED', 'FIELD_RENUMBERED'],
      '',
    ],
    ['an integer widened', [['uint32 door', 'uint64 door']], ['FIELD_TYPE_WIDENED'], 'door'],
    ['a string made bytes', [['string old_note', 'bytes old_note']], ['FIELD_TYPE_WIDENED'], 'old_note'],
    ['an enum made a number', [['Colour tint', 'int32 tint']], ['FIELD_TYPE_WIDENED'], 'tint'],
    ['an integer narrowed', [['sint64 offset', 'sint32 offset']], ['FIELD_TYPE_CHANGED'], 'offset'],
    ['another encoding', [['uint32 door', 'fixed32 door']], ['FIELD_TYPE_CHANGED'], 'door'],
    ['bytes made a string', [['bytes seal', 'string seal']], ['FIELD_TYPE_CHANGED'], 'seal'],
    ['a precision lost', [['float height', 'double height']], ['FIELD_TYPE_CHANGED'], 'height'],
    ['another value in a map', [['map<string, uint32>', 'map<string, uint64>']], ['FIELD_TYPE_WIDENED'], 'stock'],
    ['another key of a map', [['map<string, uint32>', 'map<uint32, uint32>']], ['FIELD_TYPE_CHANGED'], 'stock'],
    ['another message', [['repeated Crate crates', 'repeated Pallet crates']], ['FIELD_MESSAGE_CHANGED'], 'crates'],
    ['another enum', [['Colour tint', 'Mood tint']], ['FIELD_ENUM_CHANGED'], 'tint'],
    ['a scalar made a message', [['uint32 door', 'Pallet door']], ['FIELD_TYPE_CHANGED'], 'door'],
    ['one made many', [['uint32 door', 'repeated uint32 door']], ['FIELD_CARDINALITY_CHANGED'], 'door'],
    ['many made one', [['repeated uint32 counts', 'uint32 counts']], ['FIELD_CARDINALITY_CHANGED'], 'counts'],
    [
      'a map made a list',
      [['map<string, uint32> stock', 'repeated Crate stock']],
      ['FIELD_CARDINALITY_CHANGED'],
      'stock',
    ],
    ['a label taken', [['optional uint32 floor', 'uint32 floor']], ['FIELD_PRESENCE_CHANGED'], 'floor'],
    ['a label given', [['uint32 door', 'optional uint32 door']], ['FIELD_PRESENCE_CHANGED'], 'door'],
    [
      'another name in JSON',
      [['string old_note = 10;', 'string old_note = 10 [json_name = "note"];']],
      ['FIELD_JSON_NAME_CHANGED'],
      'old_note',
    ],
    [
      'a name of JSON given to another',
      [['  string old_note = 10;', '  reserved 10;\n  reserved "old_note";\n  string oldNote = 12;']],
      ['FIELD_JSON_NAME_REUSED'],
      'string oldNote',
    ],
    [
      'a reserved name of JSON used',
      [['  string old_note = 10;', '  string old_note = 10;\n  string weightClass = 12;']],
      ['FIELD_JSON_NAME_REUSED'],
      'weightClass',
    ],
    [
      'moved into a oneof',
      [['    string noted = 2;\n  }\n  string remark = 3;', '    string noted = 2;\n    string remark = 3;\n  }']],
      ['FIELD_ONEOF_CHANGED'],
      'remark',
    ],
    [
      'moved out of a oneof',
      [['    string noted = 2;\n  }', '  }\n  string noted = 2;']],
      ['FIELD_ONEOF_CHANGED'],
      'noted',
    ],
    [
      'moved to another oneof',
      [
        ['    string noted = 2;\n', ''],
        ['  oneof other {\n', '  oneof other {\n    string noted = 2;\n'],
      ],
      ['FIELD_ONEOF_CHANGED'],
      'noted',
    ],
    ['a oneof renamed', [['oneof other', 'oneof another']], ['FIELD_ONEOF_CHANGED'], 'aside'],
    [
      'a reserved number dropped',
      [['reserved 20, 30 to 39;', 'reserved 30 to 39;']],
      ['RESERVED_DROPPED'],
      'message CrateTask',
    ],
    ['a reserved range cut', [['30 to 39', '30 to 38']], ['RESERVED_DROPPED'], 'message CrateTask'],
    ['a reserved name dropped', [['  reserved "weight_class";\n', '']], ['RESERVED_DROPPED'], 'message CrateTask'],
    [
      'a reserved number used',
      [['reserved 20, 30 to 39;', 'reserved 30 to 39;\n  string again = 20;']],
      ['RESERVED_REUSED'],
      'again',
    ],
    [
      'a reserved name used',
      [['reserved "weight_class";', 'string weight_class = 12;']],
      ['RESERVED_REUSED'],
      'weight_class',
    ],
    [
      'a reserved value used',
      [
        ['  reserved 9;\n', ''],
        ['MOOD_ANGRY = 2;', 'MOOD_ANGRY = 2;\n  MOOD_NEW = 9;'],
      ],
      ['RESERVED_REUSED'],
      'MOOD_NEW',
    ],
    [
      'a value deleted',
      [['  MOOD_ANGRY = 2;\n', '']],
      ['ENUM_VALUE_NUMBER_NOT_RESERVED', 'ENUM_VALUE_NAME_NOT_RESERVED'],
      'enum Mood',
    ],
    ['a value renamed', [['MOOD_ANGRY', 'MOOD_FURIOUS']], ['ENUM_VALUE_RENAMED'], 'MOOD_FURIOUS'],
    ['a value renumbered', [['MOOD_ANGRY = 2', 'MOOD_ANGRY = 3']], ['ENUM_VALUE_RENUMBERED'], 'MOOD_ANGRY'],
    [
      'a second name for a value',
      [['  MOOD_ANGRY = 2;', '  option allow_alias = true;\n  MOOD_ANGRY = 2;\n  MOOD_FURIOUS = 2;']],
      ['ENUM_ALIAS'],
      'MOOD_FURIOUS',
    ],
    ['a message deleted', [['message Pallet {\n  string label = 1;\n}\n', '']], ['MESSAGE_REMOVED'], 'package'],
    ['a message renamed', [['message Pallet', 'message Skid']], ['MESSAGE_REMOVED'], 'package'],
    [
      'a message moved into another',
      [
        ['message Pallet {\n  string label = 1;\n}\n', ''],
        ['message CrateResult {', 'message CrateResult {\n  message Pallet {\n    string label = 1;\n  }'],
      ],
      ['MESSAGE_REMOVED'],
      'message Pallet',
    ],
    [
      'an enum deleted',
      [
        ['enum Colour {\n  COLOUR_UNSPECIFIED = 0;\n  COLOUR_RED = 1;\n}\n', ''],
        ['  Colour tint = 9;\n', '  reserved 9;\n  reserved "tint";\n'],
      ],
      ['ENUM_REMOVED'],
      'package',
    ],
    [
      'a root renamed',
      [['message CrateResult', 'message CrateOutcome']],
      ['ROOT_MISSING', 'MESSAGE_REMOVED'],
      'package',
    ],
    ['another package', [['package kinds.crate.v1', 'package kinds.crate.v2']], ['PACKAGE_NOT_OF_KIND'], 'package'],
    [
      'another syntax',
      [
        ['syntax = "proto3"', 'edition = "2023"'],
        ['reserved "weight_class"', 'reserved weight_class'],
        ['reserved "MOOD_BORED"', 'reserved MOOD_BORED'],
        ['optional uint32 floor', 'uint32 floor'],
      ],
      ['NOT_PROTO3'],
      'edition',
    ],
    [
      'a service',
      [['message Pallet', 'service Crates {\n  rpc Load(Crate) returns (Crate);\n}\n\nmessage Pallet']],
      ['SERVICE_DEFINED'],
      'service Crates',
    ],
    [
      'an Any',
      [
        ['timestamp.proto";', 'timestamp.proto";\nimport "google/protobuf/any.proto";'],
        ['string old_note = 10;', 'string old_note = 10;\n  google.protobuf.Any more = 11;'],
      ],
      ['WELL_KNOWN_TYPE'],
      'any.proto',
    ],
    [
      'an option of somebody',
      [
        [
          'timestamp.proto";',
          'timestamp.proto";\nimport "google/protobuf/descriptor.proto";\nextend google.protobuf.FieldOptions {\n  uint32 most = 50001;\n}',
        ],
        ['uint32 door = 5;', 'uint32 door = 5 [(most) = 9];'],
      ],
      ['EXTENSION_DEFINED', 'WELL_KNOWN_TYPE', 'CUSTOM_OPTION'],
      '',
    ],
  ];

/** What every reader of either revision can live with. */
const accepted: ReadonlyArray<readonly [what: string, edits: readonly Edit[]]> = [
  ['nothing', []],
  [
    'comments and order',
    [['  uint32 door = 5;\n  bytes seal = 6;', '  // Sealed.\n  bytes seal = 6;\n  // Which one.\n  uint32 door = 5;']],
  ],
  [
    'new fields',
    [
      [
        'old_note = 10;',
        'old_note = 10;\n  repeated Crate empties = 11;\n  optional string hint = 12;\n  map<string, Mood> moods = 13;',
      ],
    ],
  ],
  ['a new member of a oneof', [['string noted = 2;', 'string noted = 2;\n    Pallet stacked = 9;']]],
  [
    'a new oneof',
    [
      [
        'repeated uint32 counts = 1;',
        'repeated uint32 counts = 1;\n  oneof end {\n    bool full = 2;\n    bool empty = 3;\n  }',
      ],
    ],
  ],
  ['a new value', [['COLOUR_RED = 1;', 'COLOUR_RED = 1;\n  COLOUR_BLUE = 2;']]],
  [
    'new types',
    [
      [
        'message Pallet {',
        'enum Size {\n  SIZE_UNSPECIFIED = 0;\n}\n\nmessage Dolly {\n  Size size = 1;\n}\n\nmessage Pallet {\n  Dolly dolly = 2;',
      ],
    ],
  ],
  ['a field deleted and reserved', [['  string old_note = 10;', '  reserved 10;\n  reserved "old_note";']]],
  ['a value deleted and reserved', [['  MOOD_ANGRY = 2;', '  reserved 2;\n  reserved "MOOD_ANGRY";']]],
  ['a deprecation', [['string old_note = 10;', 'string old_note = 10 [deprecated = true];']]],
  ['more reserved', [['30 to 39', '30 to 45']]],
  [
    'options of languages',
    [['package kinds.crate.v1;', 'package kinds.crate.v1;\n\noption java_package = "mall.kinds";']],
  ],
];

const kind = 'crate';
let base: Revision;
let older: Language;

beforeAll(async () => {
  base = await compiled(crate);
  older = readLanguage(base);
});

const strict = (candidate: Language) => [...checkByItself(candidate, rootsOf(kind)), ...checkBetween(older, candidate)];
const lineOf = (source: string, words: string) => source.split('\n').findIndex((line) => line.includes(words)) + 1;

describe('a revision is refused for', () => {
  it.each(refused)('%s', async (_, edits, expected, at) => {
    const source = edited(crate, ...edits);
    const candidate = await compiled(source);

    const found = strict(readLanguage(candidate));

    expect(found.map(({ rule }) => rule)).toEqual(expected);
    for (const { file, line, column, what, why, instead } of found) {
      expect(file).toBe('crate.proto');
      if (at) expect(line).toBe(lineOf(source, at));
      expect(line).toBeGreaterThan(0);
      expect(column).toBeGreaterThan(0);
      for (const text of [what, why, instead]) expect(text.length).toBeGreaterThan(5);
    }
    // What buf refuses is refused by the stricter rules at the same line, or at least by them.
    const { compatible, violations } = await checkRevision(candidate, [base], kind);
    expect(compatible).toBe(false);
    expect(new Set(violations.map(({ rule }) => rule).filter((rule) => !rule.startsWith('buf:')))).toEqual(
      new Set(expected),
    );
  });
});

describe('a revision is accepted with', () => {
  it.each(accepted)('%s', async (_, edits) => {
    const candidate = await compiled(edited(crate, ...edits));

    expect(await checkRevision(candidate, [base], kind)).toMatchObject({ compatible: true, violations: [] });
  });
});

it.each<readonly [rule: RuleId, at: string, source: string, line: number]>([
  ['NOT_PROTO3', 'the syntax', '// Crates.\n\nsyntax = "proto2";\n\npackage kinds.crate.v1;\n', 3],
  ['NOT_PROTO3', 'the beginning where no syntax is said', '// Crates.\n\npackage kinds.crate.v1;\n', 1],
  ['PACKAGE_NOT_OF_KIND', 'the package', 'syntax = "proto3";\n\npackage kinds.box.v1;\n', 3],
  ['PACKAGE_NOT_OF_KIND', 'the beginning where no package is said', '// Crates.\n\nsyntax = "proto3";\n', 1],
])('%s of a file points at %s', async (rule, _, source, line) => {
  const candidate = readLanguage(await compiled(`${source}message CrateTask {}\n`));
  expect(checkByItself(candidate, rootsOf(kind)).find((found) => found.rule === rule)).toMatchObject({
    line,
    column: 1,
  });
});

it.each<readonly [reserved: string, members: string, expected: readonly string[]]>([
  ['30 to 32, 34 to 39', '', ['the number 33 is not reserved any more']],
  [
    '29 to 33, 36 to 37',
    '',
    ['the numbers 34 to 35 are not reserved any more', 'the numbers 38 to 39 are not reserved any more'],
  ],
  [
    '30 to 34, 36 to 38',
    'string again = 35;',
    ['the number 35 was reserved', 'the number 39 is not reserved any more'],
  ],
])('of 30 to 39, with %s reserved and "%s", just what is missing is named', async (reserved, members, expected) => {
  const source = edited(
    crate,
    ['30 to 39', reserved],
    ['  string old_note = 10;', `  string old_note = 10;\n  ${members}`],
  );
  expect(checkBetween(older, readLanguage(await compiled(source))).map(({ what }) => what)).toEqual(expected);
});

describe('what a renamed field says takes another number', () => {
  it.each<readonly [reserved: string, edits: readonly Edit[], such: string]>([
    ['20, 30 to 39', [], ', such as 11'],
    ['11 to 39', [], ', such as 40'],
    ['11 to 18999', [], ', such as 20000'],
    ['11 to max', [], ''],
    ['11 to max', [['  uint32 door = 5;\n', '']], ', such as 5'],
  ])('that is free beside reserved %s, where there is one', async (reserved, edits, such) => {
    const source = edited(crate, ['20, 30 to 39', reserved], ...edits);
    const before = readLanguage(await compiled(source));
    const candidate = await compiled(edited(source, ['string old_note', 'string new_note']));
    expect(checkBetween(before, readLanguage(candidate)).map(({ instead }) => instead)).toEqual([
      `give field 10 the name old_note back; what new_note says takes another number${such}`,
    ]);
  });
});

describe('a remedy, followed, is not refused', () => {
  const task = (members: string) =>
    edited(crate, ['  string old_note = 10;\n', members], ['reserved 20, 30 to 39;', 'reserved 30 to 39;']);
  const held = async (candidate: string, older: readonly string[]) => {
    const revisions = await Promise.all(
      older.map(async (source, at) => ({ ...(await compiled(source)), label: `r${at}` })),
    );
    return (await checkRevision(await compiled(candidate), revisions, kind)).violations;
  };

  it('since a number that it names is free in every revision, not in the first of them', async () => {
    const older = [task('  string note = 10;\n'), task('  string note = 10;\n  string more = 11;\n')];
    const mine = await held(task('  string mine = 10;\n'), older);
    const renamed = mine.find(({ rule }) => rule === 'FIELD_RENAMED');
    expect(renamed).toMatchObject({
      against: ['r0', 'r1'],
      instead: 'give field 10 the name note back; what mine says takes another number, such as 12',
    });
    expect(await held(task('  string note = 10;\n  string more = 11;\n  string mine = 12;\n'), older)).toEqual([]);
  });

  it('since a field that it gives back has its name in JSON', async () => {
    const declared = 'optional string c = 11 [json_name = "sea"]';
    const older = [task(`  string note_a = 10;\n  ${declared};\n`)];
    const [lost] = await held(task('  string note_a = 10;\n'), older);
    expect(lost!.instead).toContain(`take it over, ${declared}; if`);
    expect((await held(task(''), older)).at(0)!.instead).toContain('take it over, string note_a = 10; if');
  });
});

it('ARCHITECTURE names every rule', () => {
  const architecture = readFileSync('ARCHITECTURE.md', 'utf8');
  expect(Object.keys(rules).filter((rule) => !architecture.includes(`\`${rule}\``))).toEqual([]);
});

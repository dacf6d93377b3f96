import { beforeAll, describe, expect, it } from 'vitest';
import { differences } from '../../../src/hub/protocol/check/differences.ts';
import { type Language, readLanguage } from '../../../src/hub/protocol/check/language.ts';
import { compiled, crate, edited } from './source.ts';

let older: Language;
beforeAll(async () => {
  older = readLanguage(await compiled(crate));
});

const said = async (...edits: ReadonlyArray<readonly [string, string]>) =>
  differences(older, readLanguage(await compiled(edited(crate, ...edits)))).map(
    ({ message, what, rule }) => `${message.split('.').at(-1)}: ${what}${rule ? ` (${rule})` : ''}`,
  );

describe('two revisions', () => {
  it('say the same when only comments and order differ', async () => {
    const [from, to] = ['  uint32 door = 5;\n  bytes seal = 6;', '  // Sealed.\n  bytes seal = 6;\n  uint32 door = 5;'];
    expect(await said([from, to])).toEqual([]);
  });

  it.each<readonly [what: string, edit: readonly [string, string], expected: readonly string[]]>([
    [
      'numbers reserved',
      ['20, 30 to 39;', '20, 30 to 45, 50;'],
      ['the numbers 40 to 45 are reserved', 'the number 50 is reserved'],
    ],
    ['a name reserved', ['"weight_class";', '"weight_class", "size";'], ['the name size is reserved']],
    [
      'a reserved number dropped',
      ['20, 30 to 39;', '30 to 39;'],
      ['the number 20 is not reserved any more (RESERVED_DROPPED)'],
    ],
    [
      'a reserved name dropped',
      ['  reserved "weight_class";\n', ''],
      ['the name weight_class is not reserved any more (RESERVED_DROPPED)'],
    ],
    ['a field deprecated', ['door = 5;', 'door = 5 [deprecated = true];'], ['door is deprecated']],
    [
      'a field deleted, which its number and name are reserved for',
      ['  string old_note = 10;\n', '  reserved 10, 11;\n  reserved "old_note";\n'],
      ['old_note = 10 is deleted, and both are reserved', 'the number 11 is reserved'],
    ],
  ])('of a message: %s', async (_, edit, expected) => {
    expect(await said(edit)).toEqual(expected.map((what) => `CrateTask: ${what}`));
  });

  it.each<readonly [what: string, edit: readonly [string, string], expected: readonly string[]]>([
    ['a number reserved', ['  reserved 9;', '  reserved 5, 9;'], ['the number 5 is reserved']],
    ['a name reserved', ['"MOOD_BORED";', '"MOOD_BORED", "MOOD_SAD";'], ['the name MOOD_SAD is reserved']],
    [
      'a value deleted',
      ['  MOOD_ANGRY = 2;', '  reserved 2;\n  reserved "MOOD_ANGRY";'],
      ['MOOD_ANGRY = 2 is deleted, and both are reserved'],
    ],
  ])('of an enum: %s', async (_, edit, expected) => {
    expect(await said(edit)).toEqual(expected.map((what) => `Mood: ${what}`));
  });

  it('of a list: whether it is packed, where it can be', async () => {
    expect(await said(['repeated uint32 counts = 1;', 'repeated uint32 counts = 1 [packed = false];'])).toEqual([
      'CrateResult: counts is not packed any more',
    ]);
    expect(await said(['repeated uint32 counts = 1;', 'repeated uint32 counts = 1 [packed = true];'])).toEqual([]);
  });
});

import { beforeAll, describe, expect, it } from 'vitest';
import { kinds } from '../../../src/gen/kinds.ts';
import { type Language, readLanguage } from '../../../src/hub/protocol/check/language.ts';
import { rootsOf } from '../../../src/hub/protocol/check/revision.ts';
import { maxViolations } from '../../../src/hub/protocol/check/violation.ts';
import { readCorpus } from '../../../src/hub/protocol/corpus/corpus.ts';
import { checkTranslation } from '../../../src/hub/protocol/majors/check.ts';
import { type FieldRule, readTranslation, type Translation } from '../../../src/hub/protocol/majors/document.ts';
import type { Part } from '../../../src/hub/protocol/majors/parts.ts';
import { judgeTranslations } from '../../../src/hub/protocol/majors/publish-translation.ts';
import { type Tongue, translator } from '../../../src/hub/protocol/majors/translator.ts';
import { payloadsOf } from '../../support/revisions.ts';
import { shopTranslation, shopV2 } from '../../support/shop-v2.ts';
import { compiled, edited } from './source.ts';

const rules = readTranslation(JSON.stringify(shopTranslation));
const firstSet = Buffer.from(kinds.shop.fileDescriptorSet, 'base64');
const first = readLanguage({ label: 'revision 1', fileDescriptorSet: firstSet });
let second: Language;
let secondSet: Uint8Array;
const languageOf = async (source: string) => {
  const revision = await compiled({ 'shop.proto': source });
  return { set: revision.fileDescriptorSet, language: readLanguage(revision) };
};
beforeAll(async () => {
  ({ language: second, set: secondSet } = await languageOf(shopV2));
});

function tongue({ registry }: Language, kind: string): Tongue {
  const roots = rootsOf(kind);
  const message = (part: Part) => registry.getMessage(roots[part])!;
  return { task: message('task'), progress: message('progress'), result: message('result') };
}
const up = () => translator(rules, 'up', tongue(first, 'shop'), tongue(second, 'shop.v2'));
const down = () => translator(rules, 'down', tongue(second, 'shop.v2'), tongue(first, 'shop'));
const older = payloadsOf(firstSet);
const newer = () => payloadsOf(secondSet);
const check = (given: Translation, language = second) =>
  [...checkTranslation(given, { older: [first], newer: [language], candidate: 'newer' })].flat();

describe('a payload in another major', () => {
  const item = { lineId: 'l', productId: 'p', sku: 's', quantity: 3 };

  it('has its fields where the other major has them, and the defaults of those that its own has not', () => {
    const stops = [{ storeId: 's', place: { x: 3, y: 4.5 }, items: [{ ...item, name: 'Tea' }] }];
    const task = older.write('kinds.shop.v1.ShopTask', { orderId: 'o', stops, depot: { x: 1 } });
    const translated = up().translate('task', task);
    expect(newer().read('kinds.shop.v2.ShopTask', translated)).toEqual({
      ...{ reference: 'o', hurry: 1, depot: { x: 1 } },
      stops: [{ storeId: 's', x: 3, y: 4.5, items: [{ ...item, title: 'Tea', quantity: '3' }] }],
    });
    expect(Buffer.from(down().translate('task', translated))).toEqual(task);
  });

  it('is counted as the other major counts', () => {
    const json = { lines: [{ lineId: 'l', picked: '2', missing: '1' }], walkedMm: '12346' };
    const result = newer().write('kinds.shop.v2.ShopResult', json);
    expect(older.read('kinds.shop.v1.ShopResult', down().translate('result', result))).toEqual({
      ...{ lines: [{ lineId: 'l', picked: 2, short: 1 }], walkedMetres: 12.346 },
    });
  });

  it('is nothing where the other major has no word for it', () => {
    const progress = newer().write('kinds.shop.v2.ShopProgress', { battery: { percent: 40 } });
    expect(down().translate('progress', progress)).toHaveLength(0);
  });

  it('is refused by the name and value of what the other major cannot say', () => {
    const progress = newer().write('kinds.shop.v2.ShopProgress', { itemPicked: { quantity: '4294967296' } });
    expect(() => down().translate('progress', progress)).toThrow(
      'item_picked.quantity is "4294967296", which is no uint32',
    );
    const lines = [{ picked: 1 }, { picked: '99999999999' }];
    const result = newer().write('kinds.shop.v2.ShopResult', { lines });
    expect(() => down().translate('result', result)).toThrow('lines[1].picked is "99999999999"');
  });

  it('brings every payload that was recorded there and back', () => {
    for (const { part, payload } of readCorpus('shop')) {
      const back = down().translate(part, up().translate(part, payload));
      if (part !== 'result') expect(Buffer.from(back)).toEqual(Buffer.from(payload));
    }
  });
});

describe('a translation', () => {
  const without = (name: string) => ({
    ...rules,
    fields: rules.fields.filter(({ newer, older }) => newer !== name && older !== name),
  });
  const changed = (name: string, change: Partial<FieldRule>) => ({
    ...rules,
    fields: rules.fields.map((rule) => (rule.newer === name ? { ...rule, ...change } : rule)),
  });
  const breaches = (given: Translation, language = second) =>
    check(given, language).map(({ rule, field }) => [rule, field]);

  it('that says all there is to say is taken', () => {
    expect(check(rules)).toEqual([]);
  });

  it('that says nothing of a field of either side is not, and the words that are missing are told', () => {
    const found = check(without('hurry'));
    expect(found).toMatchObject([
      { rule: 'TRANSLATION_INCOMPLETE', message: 'kinds.shop.v2.ShopTask', field: 'hurry' },
    ]);
    expect(found[0]!.line).toBeGreaterThan(0);
    expect(found[0]!.instead).toContain('{"in": "ShopTask", "newer": "hurry", "older": "…"}');
    expect(breaches(without('title'))).toEqual([
      ['TRANSLATION_INCOMPLETE', 'title'],
      ['TRANSLATION_INCOMPLETE', 'name'],
    ]);
    expect(breaches(without('y'))).toEqual([
      ['TRANSLATION_INCOMPLETE', 'y'],
      ['TRANSLATION_INCOMPLETE', 'y'],
    ]);
  });

  it('is held to its own words: what may fail or be lost is said to', () => {
    expect(breaches(changed('title', { scale: 2 }))).toContainEqual(['TRANSLATION_TYPES', 'title']);
    const { partial: _, ...exact } = rules.fields.find((rule) => rule.in === 'Item' && rule.newer === 'quantity')!;
    const strict = {
      ...rules,
      fields: [...rules.fields.filter((rule) => rule.in !== 'Item' || rule.newer === 'title'), exact],
    };
    expect(breaches(strict)).toEqual([['TRANSLATION_PARTIAL', 'quantity']]);
    const { lossy: __, ...precise } = rules.fields.find((rule) => rule.newer === 'walked_mm')!;
    const found = check({ ...without('walked_mm'), fields: [...without('walked_mm').fields, precise] });
    expect(found[0]).toMatchObject({ rule: 'TRANSLATION_LOSES', message: 'kinds.shop.v2.ShopResult' });
    expect(found[0]!.what).toContain('walkedMetres');
    expect(breaches(changed('hurry', { default: 'soon' }))).toEqual([['TRANSLATION_DEFAULT', 'hurry']]);
    expect(breaches(changed('hurry', { newer: 'hury' }))).toContainEqual(['TRANSLATION_UNKNOWN', '']);
  });

  it('is told of what it says nothing of as far as one can read, and how much more there is', async () => {
    const added = Array.from({ length: maxViolations + 7 }, (_, index) => `uint32 extra_${index} = ${index + 100};`);
    const { set } = await languageOf(
      edited(shopV2, ['  uint32 hurry = 4;', `  uint32 hurry = 4;\n  ${added.join(' ')}`]),
    );
    const pairs = [{ rules, revisions: [{ label: 'revision 1', fileDescriptorSet: firstSet }] }];
    const candidate = { label: 'candidate', fileDescriptorSet: set };
    const judged = await judgeTranslations('shop.v2', candidate, [], { versions: new Map(), pairs });
    expect(judged.violations.length).toBeLessThanOrEqual(maxViolations);
    expect(judged.violations.length + judged.omitted).toBe(added.length);
    expect(judged.violations[0]).toMatchObject({ rule: 'TRANSLATION_INCOMPLETE', against: ['shop'] });
  });

  it('is held against many revisions, and the hub goes on with its streams between them', async () => {
    const label = (index: number) => ({ label: `revision ${index + 1}`, fileDescriptorSet: firstSet });
    const revisions = Array.from({ length: 50 }, (_, index) => label(index));
    const { set } = await languageOf(shopV2);
    let turns = 0;
    let isOver = false;
    const turn = () => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    const candidate = { label: 'candidate', fileDescriptorSet: set };
    const judged = await judgeTranslations('shop.v2', candidate, [], {
      versions: new Map(),
      pairs: [{ rules, revisions }],
    });
    isOver = true;
    expect(judged.violations).toEqual([]);
    expect(turns).toBeGreaterThanOrEqual(revisions.length);
  });

  it('whose recorded payloads do not fit is not taken, whatever it says of them', async () => {
    const { language } = await languageOf(edited(shopV2, ['  string sku = 3;', '  uint32 sku = 3;']));
    const given = {
      ...rules,
      fields: [...rules.fields, { in: 'Item', older: 'sku', newer: 'sku', partial: 'they are numbers' }],
    };
    expect(breaches(given, language)).toEqual([['TRANSLATION_FAILS', '']]);
  });

  it('brings enums, lists and maps over', async () => {
    const sources = ['v1', 'v2'].map((major) => `syntax = "proto3"; package kinds.crate.${major};`);
    const before = `${sources[0]} enum Size { SIZE_UNSPECIFIED = 0; SIZE_LARGE = 1; }
      message CrateTask { Size size = 1; string only = 2; map<string, int32> stock = 3; int32 number = 4; repeated Size sizes = 5; }
      message CrateProgress { string mood = 1; } message CrateResult {}`;
    const now = `${sources[1]} enum Size { SIZE_UNSPECIFIED = 0; SIZE_BIG = 7; SIZE_HUGE = 8; } enum Mood { MOOD_UNSPECIFIED = 0; MOOD_CALM = 3; }
      message CrateTask { Size size = 1; repeated string only = 2; map<string, int64> stock = 3; string number = 4; repeated Size sizes = 5; }
      message CrateProgress { Mood mood = 1; } message CrateResult {}`;
    const [one, two] = [await languageOf(before), await languageOf(now)];
    const given = readTranslation(
      JSON.stringify({
        ...{ older: 'crate', newer: 'crate.v2' },
        fields: [
          { in: 'CrateTask', older: 'only', newer: 'only', partial: 'there is one', lossy: 'an empty one is none' },
          { in: 'CrateTask', older: 'stock', newer: 'stock', partial: 'shelves are small' },
          { in: 'CrateTask', older: 'number', newer: 'number', partial: 'all are numbers', lossy: 'none is 0' },
          {
            in: 'CrateProgress',
            older: 'mood',
            newer: 'mood',
            partial: 'moods are few',
            lossy: 'no mood is MOOD_UNSPECIFIED',
          },
        ],
        values: [
          { in: 'Size', older: 'SIZE_LARGE', newer: 'SIZE_BIG' },
          { in: 'Size', older: 'SIZE_LARGE', newer: 'SIZE_HUGE', lossy: 'both are large' },
        ],
      }),
    );
    const majors = { older: [one.language], newer: [two.language], candidate: 'newer' } as const;
    expect([...checkTranslation(given, majors)].flat()).toEqual([]);
    const tongues = [tongue(one.language, 'crate'), tongue(two.language, 'crate.v2')] as const;
    const json = { size: 'SIZE_LARGE', only: 'a', stock: { tea: 3 }, number: 12, sizes: ['SIZE_LARGE'] };
    const there = translator(given, 'up', ...tongues).translate(
      'task',
      payloadsOf(one.set).write('kinds.crate.v1.CrateTask', json),
    );
    const back = translator(given, 'down', tongues[1], tongues[0]);
    expect(payloadsOf(one.set).read('kinds.crate.v1.CrateTask', back.translate('task', there))).toEqual(json);
    const two2 = payloadsOf(two.set);
    expect(two2.read('kinds.crate.v2.CrateTask', there)).toMatchObject({
      size: 'SIZE_BIG',
      only: ['a'],
      stock: { tea: '3' },
      number: '12',
    });
    const many = two2.write('kinds.crate.v2.CrateTask', { only: ['a', 'b'], size: 'SIZE_HUGE' });
    expect(() => back.translate('task', many)).toThrow('only has 2 elements');
  });

  it('that is no document is refused with the place', () => {
    const refused = (text: string) => expect(() => readTranslation(text));
    refused('{').toThrow('translation is "{"; give JSON');
    refused('{"older":"shop","newer":"shop.v2","fields":[{"in":"Stop"}]}').toThrow('translation.fields[0] is');
    refused('{"older":"shop.v2","newer":"shop"}').toThrow('translation.older is "shop.v2"; name an earlier major');
  });
});

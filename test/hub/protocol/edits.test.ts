import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkBetween } from '../../../src/hub/protocol/check/between.ts';
import { checkByItself } from '../../../src/hub/protocol/check/candidate-rules.ts';
import { type Language, readLanguage } from '../../../src/hub/protocol/check/language.ts';
import { drawPayload } from '../../../src/hub/protocol/check/payload.ts';
import { rootsOf } from '../../../src/hub/protocol/check/revision.ts';
import { lossOf } from '../../../src/hub/protocol/check/round-trip.ts';
import type { RuleId } from '../../../src/hub/protocol/check/rules.ts';
import { checkWireJson } from '../../../src/hub/protocol/check/wire-json.ts';
import { mulberry32 } from '../../../src/kit/mulberry32.ts';
import { type Draw, kind, randomSchema } from './random-schema.ts';
import { breakingEdits, compatibleEdits, otherEdits } from './schema-edits.ts';
import { compile, type Schema } from './schema-model.ts';

const allEdits = {
  ...compatibleEdits,
  ...Object.fromEntries(Object.entries(breakingEdits).map(([name, [, edit]]) => [name, edit])),
  ...otherEdits,
};

const roots = rootsOf(kind);

const drawFrom = (seed: number): Draw => {
  const random = mulberry32(seed);
  return (choices) => Math.floor(random() * choices);
};

/** `schema` after the edits that could be done to it. */
function changed(schema: Schema, names: readonly string[], draw: Draw): Schema {
  const next = structuredClone(schema);
  for (const name of names) allEdits[name]!(next, draw);
  return next;
}

const strict = (candidate: Language, older: readonly Language[]) => [
  ...checkByItself(candidate, roots),
  ...older.flatMap((revision) => checkBetween(revision, candidate)),
];

/** Payloads of each side through the other; the first that is lost. */
function firstLoss(a: Language, b: Language, draw: Draw): string | undefined {
  for (const root of [roots.task, roots.progress, roots.result]) {
    for (const [writer, through] of [
      [a, b],
      [b, a],
    ] as const) {
      const [from, via] = [writer, through].map(({ registry }) => ({ message: registry.getMessage(root)!, registry }));
      for (let left = 6; left > 0; left -= 1) {
        const loss = lossOf(drawPayload(from!.message, draw), from!, via!);
        if (loss !== undefined) return `${root} of ${writer.label} through ${through.label}: ${loss}`;
      }
    }
  }
  return undefined;
}

const editNames = (of: object, most: number) =>
  fc.array(fc.constantFrom(...Object.keys(of)), { minLength: 1, maxLength: most });

describe('random edits of random schemas', () => {
  it('that only add, or delete and reserve, are accepted beside all revisions before, and every pair reads each other without a loss', () => {
    const chain = fc.array(editNames(compatibleEdits, 4), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.integer(), chain, (seed, steps) => {
        const draw = drawFrom(seed);
        let schema = randomSchema(draw);
        const revisions = [readLanguage(compile(schema, 'revision 1'))];
        for (const [index, edits] of steps.entries()) {
          schema = changed(schema, edits, draw);
          const candidate = readLanguage(compile(schema, `revision ${index + 2}`));
          expect(strict(candidate, revisions).map(({ rule, what }) => `${rule}: ${what}`)).toEqual([]);
          for (const older of revisions) expect(firstLoss(older, candidate, draw)).toBeUndefined();
          revisions.push(candidate);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('of any kind lose nothing where they are accepted', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.integer(), editNames(allEdits, 2), (seed, edits) => {
        const draw = drawFrom(seed);
        const schema = randomSchema(draw);
        const older = readLanguage(compile(schema, 'older'));
        const candidate = readLanguage(compile(changed(schema, edits, draw), 'candidate'));
        if (strict(candidate, [older]).length > 0) return;
        accepted += 1;
        expect(firstLoss(older, candidate, draw)).toBeUndefined();
      }),
      { numRuns: 150 },
    );
    expect(accepted).toBeGreaterThan(10);
  });

  it.each(Object.entries(breakingEdits).map(([name, [rule, edit]]) => ({ name, rule, edit })))(
    'are refused by $rule: $name',
    ({ rule, edit }) => {
      let done = 0;
      fc.assert(
        fc.property(fc.integer(), (seed) => {
          const draw = drawFrom(seed);
          const schema = randomSchema(draw);
          const older = readLanguage(compile(schema, 'older'));
          if (!edit(schema, draw)) return;
          done += 1;
          const found = strict(readLanguage(compile(schema, 'candidate')), [older]).map(
            (finding) => finding.rule as RuleId,
          );
          expect(found).toContain(rule);
        }),
        { numRuns: 25 },
      );
      expect(done).toBeGreaterThan(0);
    },
  );

  it('that buf refuses are refused by the stricter rules too', async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer(), editNames(allEdits, 2), async (seed, edits) => {
        const draw = drawFrom(seed);
        const schema = randomSchema(draw);
        const [older, candidate] = [compile(schema, 'older'), compile(changed(schema, edits, draw), 'candidate')];
        const found = strict(readLanguage(candidate), [readLanguage(older)]);
        // What a compiler would not let through, buf does not read.
        if (found.some(({ rule }) => rule === 'RESERVED_REUSED' || rule === 'DECLARED_TWICE')) return;
        const fromBuf = await checkWireJson(candidate, [older]);
        refused += fromBuf.length > 0 ? 1 : 0;
        if (fromBuf.length > 0) expect(found).not.toEqual([]);
      }),
      { numRuns: 12 },
    );
    expect(refused).toBeGreaterThan(0);
  });
});

import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { crashPoints } from './crash-points.ts';
import { defects } from './defects.ts';
import { faults } from './faults.ts';
import { fits, type Named, rewritten } from './rewrite.ts';

const source = (file: string) => readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8');
const filesOf = ({ rewrites }: Named) => [...new Set(rewrites.map(({ file }) => file))];

describe.each([
  ['crash point', crashPoints],
  ['defect', defects],
] as const)('every %s', (_, all: readonly Named[]) => {
  test.each(all)('"$name" finds its place and leaves a program', (named) => {
    for (const file of filesOf(named)) {
      const changed = rewritten(file, source(file), named);
      expect(changed).not.toBe(source(file));
      expect(() => stripTypeScriptTypes(changed)).not.toThrow();
    }
  });

  test('has a name of its own', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  });
});

test('all crash points fit beside each other', () => {
  for (const file of new Set(crashPoints.flatMap(filesOf))) {
    const changed = crashPoints.reduce((text, point) => rewritten(file, text, point), source(file));
    expect(() => stripTypeScriptTypes(changed)).not.toThrow();
  }
});

test.each(defects)(
  '"$name" is looked for with a fault that there is, and with a crash point that it leaves',
  (defect) => {
    const { rewrites, foundBy } = defect;
    const pointName = foundBy.replace('crash: ', '');
    const isPlanted = rewrites.some(({ replace }) => replace.includes(`globalThis.chaos('${pointName}')`));
    expect(isPlanted || faults.some(({ name }) => name === foundBy)).toBe(true);
    const point = crashPoints.find(({ name }) => name === pointName);
    for (const file of point ? filesOf(point) : [])
      expect(fits(file, rewritten(file, source(file), defect), point!)).toBe(true);
  },
);

test('a place that is gone, or there twice, is told with what to do', () => {
  const named = { name: 'lost', rewrites: [{ file: 'a.ts', find: 'x();', replace: 'y();' }] };
  expect(() => rewritten('a.ts', 'z();', named)).toThrow(
    '"lost" of test/chaos looks for "x();" in a.ts and finds it 0 times',
  );
  expect(() => rewritten('a.ts', 'x(); x();', named)).toThrow('finds it 2 times');
  expect(rewritten('b.ts', 'x();', named)).toBe('x();');
});

import { describe, expect, it } from 'vitest';
import { scan } from './scan.ts';

const specifiers = (source: string) => scan(source).imports.map(({ specifier }) => specifier);

describe('the source scanner', () => {
  it.each([
    ["import 'a';", ['a']],
    ["import a from 'a';", ['a']],
    ['import a, { b as c, type D } from "a";', ['a']],
    ["import * as a from './a.ts';", ['./a.ts']],
    ["import {\n  a, // why\n  b,\n} from 'a';", ['a']],
    ["import type { A } from 'a';", ['a']],
    ["export * from 'a';", ['a']],
    ["export * as a from 'a';", ['a']],
    ["export { a } from 'a';\nexport { b } from 'b';", ['a', 'b']],
    ["export type { A } from 'a';", ['a']],
    ["import { 'odd name' as a } from 'a';", ['a']],
    ["import a from 'a' with { type: 'json' };", ['a']],
    ["const a = await import('a');", ['a']],
    ["const a = require('a');", ['a']],
    ["type A = import('a').A;", ['a']],
    ["load: async () => (await import('../a.ts')).start,", ['../a.ts']],
    ["import a from 'a'\nimport b from 'b'", ['a', 'b']],
  ])('finds the imports of %j', (source, expected) => {
    expect(specifiers(source)).toEqual(expected);
  });

  it.each([
    "// import 'a';",
    "/* import 'a';\n import('b') */",
    'const text = "import \'a\'";',
    "const text = `import 'a';`;",
    "const pattern = /import 'a'/;",
    "const pattern = /[/]import('a')/;",
    "if (x) return /import 'a'/.test(y);",
    'const here = import.meta.dirname;',
    "export const from = 'a';",
    "export const a = { from: 'a' };",
    "export type A = 'a' | 'b';",
    "export default 'a'.length;",
    "loader.import('a');",
  ])('finds no import in %j', (source) => {
    expect(specifiers(source)).toEqual([]);
  });

  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: source that is scanned.
  it('finds an import whose name is computed, without the name', () => {
    expect(specifiers('await import(path); await import(`./${name}.ts`);')).toEqual([undefined, undefined]);
  });

  it('finds what stands inside the placeholders of a template, however deep', () => {
    expect(specifiers("const a = `x ${`y ${await import('a')} import 'b'`} import 'c'`; import('d');")).toEqual([
      'a',
      'd',
    ]);
  });

  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: source that is scanned.

  it('tells a division from a regular expression', () => {
    const { code } = scan('const a = b / c; const d = e[0] / f() / 2; const g = 1 / process.env.X;');
    expect(code).toContain('process.env');
  });

  it('says which imports are erased before the program runs', () => {
    const source =
      "import type { A } from 'a'; import { type B, c } from 'b'; import type from 'c'; export type { D } from 'd';";
    expect(scan(source).imports).toEqual([
      { specifier: 'a', typeOnly: true },
      { specifier: 'b', typeOnly: false },
      { specifier: 'c', typeOnly: false },
      { specifier: 'd', typeOnly: true },
    ]);
  });

  it('keeps code and drops comments and strings', () => {
    const { code, strings } = scan("call('Date.now()'); // Math.random()\nDate.now();");
    expect(code.match(/Date\.now/g)).toHaveLength(1);
    expect(code).not.toContain('Math.random');
    expect(strings).toEqual(['Date.now()']);
  });
});

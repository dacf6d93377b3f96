/** A module's source, taken apart without a compiler: TypeScript 7 has no API for it. */
export interface Scan {
  readonly imports: readonly Import[];
  /** The source with comments, regular expressions and the insides of strings blanked out, so that a search finds code and nothing else. */
  readonly code: string;
  /** Contents of the plain string literals, in order. */
  readonly strings: readonly string[];
}

export interface Import {
  /** As written; `undefined` when it is computed at run time. */
  readonly specifier: string | undefined;
  /** Erased before the program runs: `import type`, `export type ... from`, `import('x').T` counts as a value. */
  readonly typeOnly: boolean;
}

/** What a string literal is replaced with: its index in `strings` between quotes of this kind, which no source has. */
const quote = '\u0001';

const regexMayFollow = new Set(['', ...'(,=:[!&|?{};+-*%<>~^}']);
const wordsBeforeRegex = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'delete',
  'void',
  'throw',
  'yield',
  'await',
  'else',
  'do',
]);

const importPattern = new RegExp(
  [
    // import 'a'
    String.raw`(?<![.\w$])import\s*${quote}(?<bare>\d+)${quote}`,
    // import x, { y as z } from 'a'; import type { X } from 'a'; export * from 'a'; a name may be a string: { 'odd name' as a }
    String.raw`(?<![.\w$])(?:import|export)\b(?<type>\s+type\b(?!\s*(?:,|from\b)))?(?:[\w$\s{},*]|${quote}\d+${quote})*?\bfrom\s*${quote}(?<from>\d+)${quote}`,
    // import('a'), import(anything), require('a')
    String.raw`(?<![.\w$])(?:import|require)\s*\(\s*(?:${quote}(?<called>\d+)${quote}\s*[,)])?`,
  ].join('|'),
  'g',
);

export function scan(source: string): Scan {
  const { code, strings } = blank(source);
  const imports = [...code.matchAll(importPattern)].map(({ groups }): Import => {
    const index = groups?.bare ?? groups?.from ?? groups?.called;
    return {
      specifier: index === undefined ? undefined : strings[Number(index)],
      typeOnly: groups?.type !== undefined,
    };
  });
  return { imports, code, strings };
}

function blank(source: string): { code: string; strings: string[] } {
  const strings: string[] = [];
  let code = '';
  let at = 0;
  /** For every `{` that is open: whether it began a `${` in a template, so that its `}` leads back into the template. */
  const braces: boolean[] = [];

  const readTemplate = () => {
    while (at < source.length) {
      const character = source[at]!;
      if (character === '\\') at += 2;
      else if (character === '`') {
        at += 1;
        return;
      } else if (source.startsWith('${', at)) {
        at += 2;
        braces.push(true);
        code += ' (';
        return;
      } else {
        if (character === '\n') code += '\n';
        at += 1;
      }
    }
  };

  while (at < source.length) {
    const character = source[at]!;
    if (source.startsWith('//', at)) {
      at = endOf(source, '\n', at);
    } else if (source.startsWith('/*', at)) {
      const end = endOf(source, '*/', at + 2);
      code += ` ${'\n'.repeat(source.slice(at, end).split('\n').length - 1)}`;
      at = end + 2;
    } else if (character === "'" || character === '"') {
      const start = at + 1;
      at = start;
      while (at < source.length && source[at] !== character) at += source[at] === '\\' ? 2 : 1;
      code += `${quote}${strings.length}${quote}`;
      strings.push(source.slice(start, at));
      at += 1;
    } else if (character === '`') {
      code += '""';
      at += 1;
      readTemplate();
    } else if (character === '{') {
      braces.push(false);
      code += character;
      at += 1;
    } else if (character === '}') {
      at += 1;
      if (braces.pop()) {
        code += ') ';
        readTemplate();
      } else code += character;
    } else if (character === '/' && beginsRegex(code)) {
      at = endOfRegex(source, at);
      code += '""';
    } else {
      code += character;
      at += 1;
    }
  }
  return { code, strings };
}

function endOf(source: string, what: string, from: number): number {
  const end = source.indexOf(what, from);
  return end < 0 ? source.length : end;
}

function beginsRegex(before: string): boolean {
  const text = before.trimEnd();
  const word = /[\w$]+$/.exec(text)?.[0];
  return word === undefined ? regexMayFollow.has(text.at(-1) ?? '') : wordsBeforeRegex.has(word);
}

function endOfRegex(source: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < source.length; at += 1) {
    const character = source[at];
    if (character === '\\') at += 1;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '/' && !inClass) return at + 1;
  }
  return source.length;
}

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readModules, root } from './modules.ts';

const written = readModules('src', 'bots', 'test').filter(({ path }) => !path.startsWith('src/gen/'));

/** Names that say nothing about what is in a file, and so collect what has no place. */
const namesOfNothing = ['utils', 'util', 'helpers', 'helper', 'manager', 'types', 'common', 'misc'];

/** Longest file of the program, lines. About 150 is the rule; a longer one than this has two concepts. */
const maxLines = 300;
/** Longer for a reason: path to reason. */
const longer: Readonly<Record<string, string>> = {};

const stem = (path: string) => basename(path).replace(/(\.test)?\.\w+$/, '');

describe('files', () => {
  it('are read: the written ones, not the generated', () => {
    expect(written.length).toBeGreaterThan(60);
  });

  it('are named in kebab-case', () => {
    const entries = ['src', 'bots', 'test', 'proto', 'otel'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).map((entry) =>
        relative(root, join(entry.parentPath, entry.name)),
      ),
    );
    const odd = entries.filter(
      (path) =>
        !path.startsWith('src/gen/') &&
        // drizzle-kit numbers migrations and their snapshots in a way of its own.
        !/\/migrations\//.test(path) &&
        basename(path) !== 'README.md' &&
        !/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?(\.\w+)?$/.test(basename(path)),
    );
    expect(odd).toEqual([]);
  });

  it('are named after what is in them', () => {
    const nothing = written.filter(({ path }) => namesOfNothing.some((name) => stem(path).split('-').includes(name)));
    expect(nothing.map(({ path }) => path)).toEqual([]);
  });

  it(`have at most ${maxLines} lines, or a reason`, () => {
    const long = written.filter(({ path, lines }) => !path.startsWith('test/') && lines > maxLines);
    expect(long.map(({ path }) => path).filter((path) => !Object.hasOwn(longer, path))).toEqual([]);
    expect(Object.keys(longer).filter((path) => !long.some((module) => module.path === path))).toEqual([]);
  });

  it('log one fixed line for one thing, and say in fields what it is about', () => {
    const prose =
      /[lL]ogger(?:\(\))?\s*(?:\.(?:fatal|error|warn|info|debug|trace)|\[[^\]]+\])\((?:(?!\);)[\s\S])*?`[^`]*\$\{/;
    const told = (path: string) => prose.test(readFileSync(join(root, path), 'utf8'));
    const program = written.filter(({ path }) => !path.startsWith('test/'));
    expect(program.map(({ path }) => path).filter(told)).toEqual([]);
    expect(prose.test(['this.#logger.warn({ err: error }, `channel for $', '{name} failed`);'].join(''))).toBe(true);
  });

  it('export names, never a default, but where a tool asks for one', () => {
    expect(written.filter(({ code }) => /\bexport\s+default\b/.test(code)).map(({ path }) => path)).toEqual([]);
  });
});

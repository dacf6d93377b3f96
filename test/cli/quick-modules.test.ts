import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

const quickModules = new URL('../../src/cli/quick-modules.js', import.meta.url).href;

/** Loads the database's driver, and prints what Node was asked for by drizzle-orm's own modules. */
const program = `
  import { registerHooks } from 'node:module';
  const asked = [];
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (context.parentURL?.includes('/drizzle-orm/')) asked.push(specifier);
      return nextResolve(specifier, context);
    },
  });
  if (process.argv[1] !== '') await import(process.argv[1]);
  const { drizzle } = await import('drizzle-orm/postgres-js');
  console.log(JSON.stringify({ asked, loaded: typeof drizzle }));`;

const load = (quick: string): { asked: string[]; loaded: string } =>
  JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program, quick], { encoding: 'utf8' }));

it('the modules of drizzle-orm find each other without Node looking at its package.json for each', () => {
  const usual = load('');
  expect(usual.asked.length).toBeGreaterThan(50);
  const { asked, loaded } = load(quickModules);
  expect(loaded).toBe('function');
  // Other packages, by their names.
  expect(asked.filter((specifier) => specifier.startsWith('.'))).toEqual([]);
  expect(asked).toContain('postgres');
});

/**
 * Writes the migrations that bring each schema from its last one to its store file:
 *
 *     node src/database/generate-migrations.ts [orders depot ...] [--name what_changes] [--check]
 *
 * Without names, all of them. `--check` writes nothing and exits with 1 when a store file has changes that no migration has.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { migrations } from './migrations.ts';

const root = resolve(import.meta.dirname, '../..');
const drizzleKit = join(dirname(createRequire(import.meta.url).resolve('drizzle-kit')), 'bin.cjs');

/** Relative to the root, which drizzle-kit insists on. */
const schemas = migrations.map(({ schema: name, folder }) => ({
  name,
  storeFile: relative(root, join(folder, '../store.ts')),
  folder: relative(root, folder),
}));

type Schema = (typeof schemas)[number];

const sqlFiles = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.sql')) : [];

/** Names of the files that drizzle-kit added to `folder`. */
function generate(storeFile: string, folder: string, migrationName: string): string[] {
  const before = new Set(sqlFiles(join(root, folder)));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      drizzleKit,
      'generate',
      '--dialect=postgresql',
      `--schema=${storeFile}`,
      `--out=${folder}`,
      `--name=${migrationName}`,
    ],
    // It asks at the terminal whether a column was renamed or replaced.
    { cwd: root, stdio: [process.stdin.isTTY ? 'inherit' : 'ignore', 'pipe', 'pipe'], encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`drizzle-kit failed on ${storeFile}:\n${stdout}${stderr}`);
  return sqlFiles(join(root, folder)).filter((file) => !before.has(file));
}

function write({ storeFile, folder }: Schema, name: string | undefined): string[] {
  const isFirst = sqlFiles(join(root, folder)).length === 0;
  const added = generate(storeFile, folder, name ?? (isFirst ? 'start' : 'change'));
  for (const file of added) {
    const path = join(root, folder, file);
    const text = readFileSync(path, 'utf8');
    // The schema may be there already: made by an administrator who gave the role no right to make one.
    writeFileSync(path, text.replaceAll('CREATE SCHEMA "', 'CREATE SCHEMA IF NOT EXISTS "'));
  }
  return added.map((file) => `${folder}/${file}`);
}

function drifted({ name, storeFile, folder }: Schema): boolean {
  const scratch = mkdtempSync(join(root, `.drift-${name}-`));
  try {
    if (existsSync(join(root, folder))) cpSync(join(root, folder), scratch, { recursive: true });
    return generate(storeFile, relative(root, scratch), 'drift').length > 0;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false }, name: { type: 'string' } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !schemas.some((schema) => schema.name === name));
if (unknown.length > 0) {
  console.error(`no schema ${unknown.join(', ')}; there are ${schemas.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const wanted = schemas.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

for (const schema of wanted) {
  if (!values.check) {
    const added = write(schema, values.name);
    console.log(added.length > 0 ? added.map((path) => `wrote ${path}`).join('\n') : `${schema.name}: no change`);
  } else if (drifted(schema)) {
    console.error(
      `${schema.storeFile} has changes without a migration; run: node src/database/generate-migrations.ts ${schema.name}`,
    );
    process.exitCode = 1;
  } else {
    console.log(`${schema.name}: migrations are up to date`);
  }
}

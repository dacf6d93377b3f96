import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, describe, expect, it } from 'vitest';
import { canonicalDescriptorSet, schemaDigest } from '../../src/contract/descriptor-set.ts';
import { kinds } from '../../src/gen/kinds.ts';

const root = mkdtempSync(join(tmpdir(), 'descriptor-set-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;

/** Descriptors as buf makes them of these files: path to text. */
function compile(files: Readonly<Record<string, string>>, ...options: string[]): Uint8Array {
  const folder = join(root, String(count++));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return execFileSync('buf', ['build', folder, '-o', '-#format=binpb', ...options]);
}

const part = `syntax = "proto3"; package a.b; message Part { int32 weight = 1; }`;
const whole = `syntax = "proto3"; package a.b; import "a/part.proto"; import "google/protobuf/timestamp.proto";
message Whole { Part part = 1; google.protobuf.Timestamp at = 2; }`;
const plain = { 'a/part.proto': part, 'a/whole.proto': whole };
const digestOf = (set: Uint8Array) => schemaDigest(canonicalDescriptorSet(set));

const fileSet = (set: Uint8Array) => fromBinary(FileDescriptorSetSchema, set);
const bytesOf = (file: ReturnType<typeof fileSet>['file']) =>
  toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }));

describe('the digest of a FileDescriptorSet', () => {
  const compiled = compile(plain);

  it('does not depend on comments, spacing, source info or the order of the files', () => {
    const commented = {
      ...plain,
      'a/part.proto': `// What it weighs.\n${part.replace('{ int32', '{\n  // grams\n  int32')}`,
    };
    const reversed = bytesOf(fileSet(compiled).file.toReversed());
    for (const same of [compile(commented), compile(plain, '--exclude-source-info'), reversed]) {
      expect(digestOf(same)).toBe(digestOf(compiled));
    }
  });

  it('does not depend on where the root of the imports is', () => {
    const elsewhere = {
      'protos/part.proto': part,
      'protos/deep/whole.proto': whole.replace('a/part.proto', 'protos/part.proto'),
    };
    expect(digestOf(compile(elsewhere))).toBe(digestOf(compiled));
  });

  it('depends on whatever changes what is said', () => {
    const changed = { ...plain, 'a/part.proto': part.replace('weight = 1', 'weight = 2') };
    expect(digestOf(compile(changed))).not.toBe(digestOf(compiled));
  });

  it('is of a form that is its own canonical form, loads in its order and has lost no message', () => {
    const canonical = canonicalDescriptorSet(compiled);
    expect(Buffer.from(canonicalDescriptorSet(canonical)).equals(canonical)).toBe(true);
    expect(fileSet(canonical).file.map(({ name }) => name)).toEqual([
      'a/b/part.proto',
      'google/protobuf/timestamp.proto',
      'a/b/whole.proto',
    ]);
    const registry = createFileRegistry(fileSet(canonical));
    expect(registry.getMessage('a.b.Whole')?.fields.map(({ name }) => name)).toEqual(['part', 'at']);
  });

  it.each(Object.values(kinds))(
    'of the built-in kind $kind is that of its descriptors',
    ({ digest, fileDescriptorSet }) => {
      const stored = Buffer.from(fileDescriptorSet, 'base64');
      expect(schemaDigest(stored)).toBe(digest);
      expect(digestOf(stored)).toBe(digest);
    },
  );
});

describe('what is no complete set', () => {
  const { file } = fileSet(compile(plain));
  it.each([
    ['bytes that are none', Buffer.from([0xff, 0xff]), Error],
    ['a missing import', bytesOf(file.filter(({ name }) => name !== 'a/part.proto')), 'imports a/part.proto'],
    ['a file that is in it twice', bytesOf([...file, file[0]!]), 'twice'],
  ])('%s is refused', (_, bytes, what) => {
    expect(() => canonicalDescriptorSet(bytes)).toThrow(what);
  });
});

import { expect, it } from 'vitest';
import { PerRevision } from '../../src/hub/per-revision.ts';

const schema = (revision: number) => ({ kind: 'shop', revision, digest: `sha256:${revision}` });

it('tells 64 revisions apart by digest, and counts those that come after them together, with what nobody has published', () => {
  const counts = new PerRevision((attributes) => ({ attributes, value: 0 }));
  for (let revision = 1; revision <= 100; revision += 1) counts.of(schema(revision)).value += 1;
  counts.of(undefined).value += 1;
  expect(counts.of(schema(64))).toEqual({
    attributes: { 'mallbots.kind': 'shop', 'mallbots.revision': 64, 'mallbots.schema_digest': 'sha256:64' },
    value: 1,
  });
  expect(counts.of(schema(65))).toEqual({
    attributes: { 'mallbots.kind': '_OTHER', 'mallbots.revision': 0, 'mallbots.schema_digest': '_OTHER' },
    value: 37,
  });
  expect(counts.of(schema(100))).toBe(counts.of(undefined));
});

import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { migrationsOf } from '../../../src/database/migrations.ts';
import type { Database } from '../../../src/database/port.ts';
import { Catalogue } from '../../../src/hub/protocol/catalogue.ts';
import { tongueOf } from '../../../src/hub/protocol/majors/translator.ts';
import { addKind, addRevision, bumpKind, lockKind } from '../../../src/hub/protocol/registry-store.ts';
import type { ProtocolView } from '../../../src/hub/protocol/view.ts';
import { type TestDatabase, withDatabase } from '../../support/database.ts';
import { digestOf, inspect } from '../../support/revisions.ts';
import { silentLogger } from '../../support/silent-logger.ts';

// Every call goes through, and is counted.
vi.mock('@bufbuild/protobuf', { spy: true });

/** Fifty revisions of one kind: the same names, and one further message in each. */
const revisions = Array.from({ length: 50 }, (_, index) => inspect(index + 1, `Further${index + 1}`));
const digests = revisions.map(({ schema }) => schema!.digest);

let db: TestDatabase;
beforeAll(async () => {
  db = await withDatabase();
  await db.database.migrate('hub', migrationsOf('hub'));
  await db.database.transaction(async ({ orm }) => {
    await addKind(orm, 'inspect');
    for (const { schema, fileDescriptorSet: descriptorSet, ...messages } of revisions) {
      await addRevision(orm, (await lockKind(orm, 'inspect'))!, {
        ...{ ...messages, digest: schema!.digest, descriptorSet, state: 'ACTIVE', sources: [] },
        ...{ publishedAt: new Date(), publishedBy: 'tester', reason: '' },
      });
    }
  });
});
afterAll(() => db[Symbol.asyncDispose]());
beforeEach(() => vi.clearAllMocks());

const changed = () => db.database.query((orm) => bumpKind(orm, 'inspect'));
/** The revisions whose descriptors were read, in the order of reading. */
const parsed = () => {
  const sets = vi.mocked(fromBinary).mock.calls.filter(([message]) => message === FileDescriptorSetSchema);
  expect(vi.mocked(createFileRegistry)).toHaveBeenCalledTimes(sets.length);
  return sets.map(([, bytes]) => digests.indexOf(digestOf(bytes)) + 1);
};
const tongue = (view: ProtocolView, revision: number) => tongueOf(view.find(digests[revision - 1]!)!.offer);
const messagesBeside = (view: ProtocolView, revision: number) =>
  tongue(view, revision)
    .task.file.messages.map(({ name }) => name)
    .filter((name) => name.startsWith('Further'));

/** The database for two who ask it the same: each query of one begins when the other comes to it. */
function inStep(database: Database): Database {
  let first: PromiseWithResolvers<void> | undefined;
  const query: Database['query'] = async (work) => {
    const waiting = first;
    first = waiting ? undefined : Promise.withResolvers();
    waiting?.resolve();
    await first?.promise;
    return database.query(work);
  };
  return Object.create(database, { query: { value: query } }) as Database;
}

describe('a catalogue of fifty revisions', () => {
  /** It looks at the tables twice at once, as for its poll and for a task of a revision that is new here. */
  async function catalogue() {
    const views: ProtocolView[] = [];
    const onChanged = (view: ProtocolView) => views.push(view);
    const made = new Catalogue({ database: inStep(db.database), logger: silentLogger, onChanged });
    const look = () => Promise.all([made.refresh(), made.refresh()]);
    await look();
    return { views, look };
  }

  it('reads no descriptors, however often it is replaced', async () => {
    const { views, look } = await catalogue();
    for (let time = 0; time < 3; time++) {
      await changed();
      await look();
    }
    expect(new Set(views).size).toBe(8);
    expect(views.map((view) => [...view.revisions].length)).toEqual(views.map(() => 50));
    expect(parsed()).toEqual([]);
  });

  it('reads those that somebody asks for once, whichever view is asked', async () => {
    const { views, look } = await catalogue();
    const seventh = tongue(views[0]!, 7);
    expect(parsed()).toEqual([7]);
    await changed();
    await look();
    expect(new Set(views).size).toBe(4);
    for (const view of views) expect(tongue(view, 7)).toBe(seventh);
    tongue(views.at(-1)!, 9);
    expect(parsed()).toEqual([7, 9]);
    for (const view of views) for (const [index] of digests.entries()) tongue(view, index + 1);
    expect(parsed().toSorted((a, b) => a - b)).toEqual(digests.map((_, index) => index + 1));
  });

  it('has a registry for each, which no other revision of the same names gets into', async () => {
    const { views } = await catalogue();
    const view = views.at(-1)!;
    const all = digests.map((_, index) => index + 1);
    const before = messagesBeside(view, 1);
    expect(all.map((revision) => messagesBeside(view, revision))).toEqual(
      all.map((revision) => [`Further${revision}`]),
    );
    expect(messagesBeside(view, 1)).toEqual(before);
    for (const part of ['task', 'progress', 'result'] as const) {
      expect(new Set(all.map((revision) => tongue(view, revision)[part])).size).toBe(50);
      expect(new Set(all.map((revision) => tongue(view, revision)[part].typeName)).size).toBe(1);
    }
  });
});

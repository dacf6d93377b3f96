import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { migrationsOf } from '../../../src/database/migrations.ts';
import type { Orm } from '../../../src/database/port.ts';
import { readTranslation } from '../../../src/hub/protocol/majors/document.ts';
import { Majors } from '../../../src/hub/protocol/majors/majors.ts';
import { botWords, revisionStates } from '../../../src/hub/protocol/revision-states.ts';
import { readUsage, readUsageOf, standingIn } from '../../../src/hub/protocol/usage-store.ts';
import { botRevisions, bots, kinds, revisions, tasks } from '../../../src/hub/store.ts';
import { heldStates, taskStates } from '../../../src/hub/task-states.ts';
import { type TestDatabase, withDatabase } from '../../support/database.ts';
import { shopTranslation } from '../../support/shop-v2.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await withDatabase();
  await db.database.migrate('hub', migrationsOf('hub'));
});
afterAll(() => db[Symbol.asyncDispose]());

const hourMs = 3_600_000;
const kindNames = ['return', 'shop', 'shop.v2'];
/** A bot that speaks the one has a choice in the other. */
const majors = new Majors([{ rules: readTranslation(JSON.stringify(shopTranslation)), version: 1 }]);
const familyOf = (kind: string) => (kind === 'return' ? 'return' : 'shop');
const epoch = 2;

const world = fc
  .record({
    revisions: fc.array(fc.record({ kind: fc.constantFrom(...kindNames), state: fc.constantFrom(...revisionStates) }), {
      minLength: 1,
      maxLength: 6,
    }),
    bots: fc.array(
      fc.record({
        isConnected: fc.boolean(),
        hasExpired: fc.boolean(),
        anyKind: fc.boolean(),
        serves: fc.subarray(kindNames),
        listed: fc.array(fc.record({ revision: fc.nat(5), isMisplaced: fc.boolean() }), { maxLength: 2 }),
        said: fc.uniqueArray(
          fc.record({
            revision: fc.nat(5),
            status: fc.constantFrom(...botWords),
            isOfThisStream: fc.boolean(),
          }),
          { selector: ({ revision }) => revision, maxLength: 4 },
        ),
      }),
      { maxLength: 6 },
    ),
    tasks: fc.array(
      fc.record({
        state: fc.constantFrom(...taskStates),
        writtenIn: fc.nat(5),
        pinnedTo: fc.option(fc.nat(5), { nil: undefined }),
      }),
      { maxLength: 6 },
    ),
  })
  .map((drawn) => {
    const known = drawn.revisions.map((revision, index) => ({ ...revision, digest: `digest-${index}` }));
    const at = (index: number) => known[index % known.length]!;
    return {
      revisions: known,
      bots: drawn.bots.map((bot, index) => {
        const listed = new Map(bot.listed.map(({ revision, isMisplaced }) => [at(revision), isMisplaced]));
        const said = new Map(bot.said.map(({ revision, ...said }) => [at(revision), said]));
        const kindsOf = (some: Map<(typeof known)[number], unknown>) => [...some.keys()].map(({ kind }) => kind);
        const serves = [...new Set([...bot.serves, ...kindsOf(listed), ...kindsOf(said)])];
        return { ...bot, botId: `bot-${index}`, serves, listed, said };
      }),
      tasks: drawn.tasks.map(({ state, writtenIn, pinnedTo }) => ({
        state,
        writtenIn: at(writtenIn),
        pinnedTo: pinnedTo === undefined ? undefined : at(pinnedTo),
      })),
    };
  });
type World = typeof world extends fc.Arbitrary<infer Drawn> ? Drawn : never;

async function write(orm: Orm, { revisions: known, bots: fleet, tasks: open }: World): Promise<void> {
  for (const table of [kinds, revisions, bots, botRevisions, tasks]) await orm.delete(table);
  const now = new Date();
  const none = Buffer.alloc(0);
  await orm.insert(kinds).values(kindNames.map((kind) => ({ kind, version: 1 })));
  await orm.insert(revisions).values(
    known.map(({ digest, kind, state }, index) => ({
      ...{ digest, kind, state, revision: index + 1, descriptorSet: none, sources: [], reason: '' },
      ...{ taskMessage: '', progressMessage: '', resultMessage: '' },
      ...{ publishedAt: now, publishedBy: '', changedAt: now, changedBy: '' },
    })),
  );
  for (const { botId, isConnected, hasExpired, anyKind, serves, listed, said } of fleet) {
    const listedUnder = (revision: World['revisions'][number], isMisplaced: boolean) =>
      isMisplaced ? kindNames.find((kind) => kind !== revision.kind) : revision.kind;
    const digestsOf = (kind: string) =>
      [...listed]
        .filter(([each, isMisplaced]) => listedUnder(each, isMisplaced) === kind)
        .map(([{ digest }]) => digest);
    await orm.insert(bots).values({
      ...{
        botId,
        epoch,
        anyKind,
        connected: isConnected,
        kinds: serves.map((kind) => ({ kind, digests: digestsOf(kind) })),
      },
      ...{ instanceId: 'i', bootCount: 1, sessionId: 's', hubId: 'h', lastSeenAt: now },
      sessionExpiresAt: new Date(now.getTime() + (hasExpired ? -hourMs : hourMs)),
    });
    for (const [{ digest }, { status, isOfThisStream }] of said) {
      const of = { botId, digest, epoch: isOfThisStream ? epoch : epoch - 1 };
      await orm.insert(botRevisions).values({ ...of, status, reason: '', changedAt: now });
    }
  }
  for (const { state, writtenIn, pinnedTo } of open) {
    await orm.insert(tasks).values({
      ...{ taskId: newId(), orderId: 'o', kind: writtenIn.kind, digest: writtenIn.digest, revision: 1, payload: none },
      ...{ priority: 0, rank: 0, maxAttempts: 3, traceparent: '', correlationId: '', causationId: '', createdAt: now },
      ...{ state, attempt: 1, fence: 1, pinnedDigest: pinnedTo?.digest ?? null },
    });
  }
}

/** What `decideRevision` is to be told of one of them, by looking at each bot and task. */
function expected({ revisions: known, bots: fleet, tasks: open }: World, revision: World['revisions'][number]) {
  const live = fleet.filter(({ isConnected, hasExpired }) => isConnected && !hasExpired);
  const saying = ({ listed, said }: World['bots'][number], of: typeof revision) => {
    const answer = said.get(of);
    if (answer?.isOfThisStream) return answer.status;
    return listed.get(of) === false ? 'APPLIED' : undefined;
  };
  const choices = known.filter(
    (other) =>
      other !== revision &&
      familyOf(other.kind) === familyOf(revision.kind) &&
      (other.state === 'ACTIVE' || other.state === 'DEPRECATED'),
  );
  const having = (status: string) => live.filter((bot) => saying(bot, revision) === status);
  return {
    connected: live.filter(({ anyKind, serves }) => anyKind || serves.includes(revision.kind)).length,
    applied: having('APPLIED').length,
    rejected: having('REJECTED').length,
    onlyThis: having('APPLIED').filter((bot) => !choices.some((other) => saying(bot, other) === 'APPLIED')).length,
    pinned: open.filter(
      ({ state, writtenIn, pinnedTo }) =>
        (heldStates as readonly string[]).includes(state) && (pinnedTo ?? writtenIn) === revision,
    ).length,
    waiting: open.filter(({ state, writtenIn }) => state === 'QUEUED' && writtenIn === revision).length,
  };
}

it('a change of a revision and the status of the fleet go by the same numbers', async () => {
  await fc.assert(
    fc.asyncProperty(world, async (drawn) => {
      await db.database.query(async (orm) => {
        await write(orm, drawn);
        const usage = await readUsage(orm, majors);
        for (const revision of drawn.revisions) {
          const wanted = expected(drawn, revision);
          expect(await readUsageOf(orm, majors, revision)).toEqual(wanted);
          const connected = usage.connected.get(revision.kind) ?? 0;
          expect({ connected, ...standingIn(usage, revision.digest) }).toMatchObject(wanted);
        }
      });
    }),
    { numRuns: 150 },
  );
}, 60_000);

import { eq, inArray } from 'drizzle-orm';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { migrationsOf } from '../../../src/database/migrations.ts';
import type { Orm } from '../../../src/database/port.ts';
import { changeRevision } from '../../../src/hub/protocol/registry.ts';
import type { BotStatus, RevisionState } from '../../../src/hub/protocol/revision-states.ts';
import type { Ramp } from '../../../src/hub/protocol/rollout-record.ts';
import { beginRollout, openRollouts, saveProgress } from '../../../src/hub/protocol/rollout-store.ts';
import { type RolloutPorts, startRollouts } from '../../../src/hub/protocol/rollouts.ts';
import { addAttempts } from '../../../src/hub/protocol/trial-store.ts';
import { ProtocolView } from '../../../src/hub/protocol/view.ts';
import { botRevisions, bots, kinds, revisions, rolloutAttempts, rollouts } from '../../../src/hub/store.ts';
import { type TestDatabase, withDatabase } from '../../support/database.ts';

let db: TestDatabase;
let leading: { stop(): Promise<void> } | undefined;
const lines: Array<{ readonly msg: string; readonly kind?: string }> = [];
const logger = pino({}, { write: (line) => void lines.push(JSON.parse(line)) });

beforeEach(async () => {
  lines.length = 0;
  db = await withDatabase();
  await db.database.migrate('hub', migrationsOf('hub'));
});
afterEach(async () => {
  await leading?.stop();
  await db[Symbol.asyncDispose]();
});

const query = <T>(work: (orm: Orm) => Promise<T>) => db.database.query(work);
/** For who tells nobody. */
const silent = () => ({ database: db.database, onChanged: () => {} });
const lead = (ports: Partial<RolloutPorts> = {}) => {
  const catalogue = { view: new ProtocolView(new Map(), [], []) };
  leading = startRollouts({ ...silent(), logger, catalogue, ...ports });
};
/** Longer ago than bots are waited for. */
const at = new Date('2026-05-04T10:00:00Z');
const canaryOf = (kind: string) => `${kind}-2`;

const names = { taskMessage: '', progressMessage: '', resultMessage: '' };

async function addTo(orm: Orm, kind: string, revision: number, state: RevisionState): Promise<void> {
  const made = { descriptorSet: Buffer.alloc(0), sources: [], publishedAt: at, publishedBy: '', reason: '' };
  const row = { digest: `${kind}-${revision}`, kind, revision, state, changedAt: at, changedBy: '' };
  await orm.insert(revisions).values({ ...row, ...made, ...names });
}

/** A kind with an ACTIVE revision, and the next one offered to every bot: a step that is over when nothing speaks against it. */
async function begin(kind: string, more: Partial<Ramp> = {}): Promise<void> {
  await query(async (orm) => {
    await orm.insert(kinds).values({ kind, version: 1 });
    await addTo(orm, kind, 1, 'ACTIVE');
    await addTo(orm, kind, 2, 'CANARY');
    await beginOf(orm, kind, more);
  });
}

const beginOf = (orm: Orm, kind: string, more: Partial<Ramp> = {}): Promise<void> => {
  const ramp = { percents: [], stepMs: 0, minAttempts: 0, hold: false, ...more };
  const rollout = { rolloutId: `rollout of ${kind}`, kind, digest: canaryOf(kind), baseline: null, percent: 100 };
  return beginRollout(orm, { ...rollout, ramp, at });
};

/** A connected bot of the kind that says this of the canary. */
async function connect(botId: string, kind: string, status: BotStatus): Promise<void> {
  const row = { botId, instanceId: botId, bootCount: 1, epoch: 1, sessionId: botId, hubId: 'hub', connected: true };
  const sessionExpiresAt = new Date(Date.now() + 3_600_000);
  await query(async (orm) => {
    await orm.insert(bots).values({ ...row, sessionExpiresAt, lastSeenAt: at, kinds: [{ kind, digests: [] }] });
    const said = { botId, digest: canaryOf(kind), epoch: 1, status, reason: '', changedAt: at };
    await orm.insert(botRevisions).values(said);
  });
}

const rolloutOf = async (kind: string) =>
  (await query((orm) => orm.select().from(rollouts).where(eq(rollouts.kind, kind))))[0]!;
const becomes = (kind: string, outcome: 'PROMOTED' | 'ROLLED_BACK') =>
  expect.poll(async () => (await rolloutOf(kind)).outcome, { timeout: 10_000 }).toBe(outcome);
const logged = (text: string) => lines.filter(({ msg }) => msg.includes(text)).map(({ kind }) => kind);

it('a rollout that cannot be promoted waits, says why, and holds up neither the others nor the tidying', async () => {
  await begin('inspect');
  await begin('shop');
  for (const botId of ['a', 'b', 'c', 'd']) await connect(botId, 'shop', 'REJECTED');
  const attempt = { taskId: 't', fence: 1, arm: 'canary', outcome: 'lost', seconds: 1 } as const;
  const [decided, underWay] = ['a decided one', 'rollout of inspect'];
  await query((orm) =>
    addAttempts(
      orm,
      [decided, underWay].map((rolloutId) => ({ ...attempt, rolloutId })),
    ),
  );
  lead();
  await becomes('shop', 'ROLLED_BACK');
  const observed = () =>
    query((orm) =>
      orm
        .select()
        .from(rolloutAttempts)
        .where(inArray(rolloutAttempts.rolloutId, [decided, underWay])),
    );
  await expect
    .poll(async () => (await observed()).map(({ rolloutId }) => rolloutId), { timeout: 10_000 })
    .toEqual([underWay]);
  await expect
    .poll(async () => (await rolloutOf('inspect')).progress.waitsFor, { timeout: 10_000 })
    .toEqual([expect.stringContaining('no connected bot could do tasks of inspect in revision 2')]);

  await connect('solo', 'inspect', 'APPLIED');
  await becomes('inspect', 'PROMOTED');
  expect((await rolloutOf('inspect')).progress.waitsFor).toEqual([]);
  expect(logged('a rollout has to wait')).toEqual(['inspect']);
});

it('what an operator says while a rollout is judged stands, and it is judged anew', async () => {
  await begin('shop');
  await connect('a', 'shop', 'APPLIED');
  const change = { digest: canaryOf('shop'), basedOn: 1, by: 'operator', reason: 'wait for me' };
  const ramp = { percents: [], stepMs: 0, minAttempts: 0, hold: true };
  let mayHold = true;
  const overtaken = new Proxy(db.database, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== 'query') return typeof value === 'function' ? value.bind(target) : value;
      return async <T>(work: (orm: Orm) => Promise<T>) => {
        const read = await target.query(work);
        // Right after the first look, which is for the rollouts that there are.
        const holds = mayHold;
        mayHold = false;
        if (holds) await changeRevision(silent(), change, { type: 'canary', percent: 100, ramp });
        return read;
      };
    },
  });
  lead({ database: overtaken });
  await expect
    .poll(async () => (await rolloutOf('shop')).progress.waitsFor, { timeout: 10_000 })
    .toEqual(['an operator, who holds it']);
  const [row] = await query((orm) => orm.select().from(kinds));
  expect(row).toMatchObject({ version: 2 });
  expect(await rolloutOf('shop')).toMatchObject({ outcome: null, progress: { ramp: { hold: true } } });
});

it('a rollout whose judgement fails is logged, and the others go on', async () => {
  // Its revision is nowhere.
  await query(async (orm) => {
    await orm.insert(kinds).values({ kind: 'broken', version: 1 });
    await beginOf(orm, 'broken');
  });
  await begin('shop');
  await connect('a', 'shop', 'APPLIED');
  lead();
  await becomes('shop', 'PROMOTED');
  expect(logged('a rollout could not be judged')).toContain('broken');
  expect(logged('a leader failed')).toEqual([]);
});

it('a change of the share leaves what the gates have seen, and is not overwritten by what was judged before it', async () => {
  await begin('shop');
  const ramp = { percents: [], stepMs: 1, minAttempts: 1, hold: false };
  const gates = { rejections: { looks: 3, nextAt: 40, pValue: 0.5, level: 0.00125, failed: false, bad: 0 } };
  const [first] = await query(openRollouts);
  await query((orm) => saveProgress(orm, first!, { ...first!.progress, gates }));
  const stale = { ...first!.progress, waitsFor: ['what was before'] };
  // Another share, and the same one again, which is another step.
  for (const percent of [50, 50]) {
    const [before] = await query(openRollouts);
    const change = { digest: canaryOf('shop'), basedOn: before!.kindVersion, by: 'operator', reason: '' };
    await changeRevision(silent(), change, { type: 'canary', percent, ramp });
    await query((orm) => saveProgress(orm, before!, stale));
    expect(await rolloutOf('shop')).toMatchObject({ percent, progress: { ramp, gates, waitsFor: [] } });
  }
});

it('a rollout is compared with the newest revision that is ACTIVE', async () => {
  await query(async (orm) => {
    await orm.insert(kinds).values({ kind: 'shop', version: 1 });
    for (const [index, state] of (['ACTIVE', 'ACTIVE', 'DEPRECATED', 'CHECKED'] as const).entries())
      await addTo(orm, 'shop', index + 1, state);
  });
  const change = { digest: 'shop-4', basedOn: 1, by: 'operator', reason: '' };
  const ramp = { percents: [], stepMs: 1, minAttempts: 1, hold: false };
  await changeRevision(silent(), change, { type: 'canary', percent: 10, ramp });
  expect(await rolloutOf('shop')).toMatchObject({ digest: 'shop-4', baseline: 'shop-2' });
});

it('a deprecated revision that nobody needs becomes DRAINED', async () => {
  await query(async (orm) => {
    await orm.insert(kinds).values({ kind: 'shop', version: 1 });
    await addTo(orm, 'shop', 1, 'DEPRECATED');
    await addTo(orm, 'shop', 2, 'ACTIVE');
  });
  const schema = { kind: 'shop', revision: 1, digest: 'shop-1' };
  const offer = { schema, fileDescriptorSet: Buffer.alloc(0), ...names };
  const view = new ProtocolView(new Map([['shop', 1]]), [{ schema, state: 'DEPRECATED', offer }], []);
  lead({ catalogue: { view } });
  const stateOf = async () =>
    (await query((orm) => orm.select().from(revisions).where(eq(revisions.digest, 'shop-1'))))[0]!.state;
  await expect.poll(stateOf, { timeout: 10_000 }).toBe('DRAINED');
});

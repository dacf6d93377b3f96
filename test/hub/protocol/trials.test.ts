import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrationsOf } from '../../../src/database/migrations.ts';
import type { Orm } from '../../../src/database/port.ts';
import { writeAnswers } from '../../../src/hub/protocol/answer-store.ts';
import { isMember } from '../../../src/hub/protocol/membership.ts';
import type { BotStatus } from '../../../src/hub/protocol/revision-states.ts';
import type { AttemptOutcome } from '../../../src/hub/protocol/rollout-record.ts';
import { addAttempts, addReports, readFigures } from '../../../src/hub/protocol/trial-store.ts';
import { Trials } from '../../../src/hub/protocol/trials.ts';
import { ProtocolView } from '../../../src/hub/protocol/view.ts';
import { botRevisions, rolloutReports } from '../../../src/hub/store.ts';
import type { TaskInput } from '../../../src/hub/task.ts';
import type { Phase, Task } from '../../../src/hub/task-phase.ts';
import { type TestDatabase, withDatabase } from '../../support/database.ts';
import { silentLogger } from '../../support/silent-logger.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await withDatabase();
  await db.database.migrate('hub', migrationsOf('hub'));
});
afterAll(() => db[Symbol.asyncDispose]());
const query = <T>(work: (orm: Orm) => Promise<T>) => db.database.query(work);

const at = new Date('2026-05-04T10:00:00Z');
const share = { rolloutId: 'tried', kind: 'shop', digest: 'new', percent: 50 };
const schemaOf = (digest: string) => ({ kind: 'shop', revision: 1, digest });
const schema = schemaOf(share.digest);
const names = { taskMessage: '', progressMessage: '', resultMessage: '' };
const offer = { schema, fileDescriptorSet: Buffer.alloc(0), ...names };
const view = new ProtocolView(new Map(), [{ schema, state: 'CANARY', offer }], [share]);
const botIds = Array.from({ length: 50 }, (_, index) => `bot-${index}`);
const member = botIds.find((botId) => isMember(share.rolloutId, botId, share.percent))!;
const stranger = botIds.find((botId) => !isMember(share.rolloutId, botId, share.percent))!;
const trialsOn = (database = db.database) =>
  new Trials({ database, logger: silentLogger, hubId: 'hub', catalogue: { view } });

describe('an attempt that ends while a revision is tried', () => {
  const queued: Phase = { state: 'QUEUED', notBefore: at };
  const running = (botId: string): Phase => ({ state: 'RUNNING', botId, heldUntil: at });
  const stopping: Phase = { state: 'CANCELLING', botId: member, heldUntil: at, running: true, reason: '' };
  const done: Phase = { state: 'SUCCEEDED', botId: member, finishedAt: at };
  const cancelled: Phase = { state: 'CANCELLED', botId: member, finishedAt: at, reason: '' };
  const taskIn = (phase: Phase, digest: string): Task => ({
    ...{ taskId: 't', orderId: 'o', schema: schemaOf('old'), payload: Buffer.alloc(0), priority: 0 },
    ...{ deadline: undefined, maxAttempts: 3, position: undefined, traceparent: '', correlationId: '' },
    ...{ causationId: '', createdAt: at, onlyBotId: '', attempt: 1, fence: 1, lost: undefined, since: at, phase },
    pinned: schemaOf(digest),
  });

  it.each<[string, string, Phase, TaskInput['type'], Phase, [string, AttemptOutcome] | undefined]>([
    ['succeeds in it', 'new', running(member), 'succeeded', done, ['canary', 'succeeded']],
    ['fails in it', 'new', running(member), 'failed', queued, ['canary', 'failed']],
    ['is lost in it', 'new', running(member), 'expired', queued, ['canary', 'lost']],
    ['fails outside of the share', 'old', running(stranger), 'failed', queued, ['control', 'failed']],
    ['fails in another, in the share', 'old', running(member), 'failed', queued, undefined],
    ['is cancelled', 'new', running(member), 'stopped', cancelled, undefined],
    ['ends while it is being cancelled', 'new', stopping, 'failed', queued, undefined],
    ['has not ended', 'new', running(member), 'failed', stopping, undefined],
  ])('%s', (_, digest, before, input, after, counted) => {
    const row = trialsOn().ended(taskIn(before, digest), input, taskIn(after, digest), at);
    expect(row && [row.arm, row.outcome]).toEqual(counted);
  });
});

it('reports are counted by arm, and what could not be written is written with the next', async () => {
  let isDown = true;
  const database = new Proxy(db.database, {
    get: (target, name) => {
      if (name === 'query' && isDown) return () => Promise.reject(new Error('down'));
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const trials = trialsOn(database);
  trials.read(schemaOf('new'), member, false);
  trials.read(schemaOf('old'), stranger, true);
  // In the share, and not in the revision.
  trials.read(schemaOf('old'), member, false);
  await trials.stop();
  trials.read(schemaOf('new'), member, true);
  isDown = false;
  await trials.stop();
  const rows = await query((orm) => orm.select().from(rolloutReports).orderBy(rolloutReports.arm));
  const of = { rolloutId: 'tried', hubId: 'hub' };
  expect(rows).toEqual([
    { ...of, arm: 'canary', total: 2, undecodable: 1 },
    { ...of, arm: 'control', total: 1, undecodable: 0 },
  ]);
});

it('figures are the sum of what every hub wrote; durations are of attempts that succeeded', async () => {
  const of = { rolloutId: 'summed', arm: 'canary' } as const;
  const reports = { ...of, total: 10, undecodable: 2 };
  await query((orm) => addReports(orm, [{ ...reports, hubId: 'a' }]));
  await query((orm) => addReports(orm, [{ ...reports, hubId: 'a' }]));
  await query((orm) => addReports(orm, [{ ...reports, hubId: 'b' }]));
  const ended = (taskId: string, outcome: AttemptOutcome, seconds: number) => ({
    ...{ ...of, taskId, fence: 1, outcome, seconds },
  });
  const attempts = [
    ended('1', 'succeeded', 10),
    ended('2', 'succeeded', 10),
    ended('3', 'failed', 9_999),
    ended('4', 'lost', 1),
  ];
  await query((orm) => addAttempts(orm, attempts));
  // An attempt ends once.
  await query((orm) => addAttempts(orm, [ended('1', 'failed', 1)]));
  const { canary, control } = await query((orm) => readFigures(orm, { ...share, rolloutId: 'summed' }));
  expect(canary).toMatchObject({ reports: 30, undecodable: 6, attempts: 4, failures: 2, timed: 2, logVariance: 0 });
  expect(canary.logMean).toBeCloseTo(Math.log(10), 9);
  expect(control).toMatchObject({ reports: 0, attempts: 0 });
});

it("of a bot's answers the newest stream's counts, and of that the last", async () => {
  const say = (epoch: number, status: BotStatus) =>
    query((orm) => writeAnswers(orm, [{ botId: 'b', epoch, digest: 'new', status, reason: '' }]));
  const said = async () =>
    (await query((orm) => orm.select().from(botRevisions).where(eq(botRevisions.botId, 'b'))))[0]!.status;
  await say(2, 'RECEIVED');
  await say(2, 'APPLIED');
  expect(await said()).toBe('APPLIED');
  await say(1, 'REJECTED');
  expect(await said()).toBe('APPLIED');
  await say(3, 'REJECTED');
  expect(await said()).toBe('REJECTED');
});

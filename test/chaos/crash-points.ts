import type { Named, Rewrite } from './rewrite.ts';

/** A line of the product where a process may be made to fail. */
export interface CrashPoint extends Named {
  /** What it takes to get there beside orders that flow. */
  readonly provokedBy?: 'lost bots' | 'cut bots' | 'drain';
  /** The answer of a server has just come here: it may get lost instead, while what was asked for is done. */
  readonly isAnswer?: boolean;
}

type More = Omit<CrashPoint, keyof Named>;

const pass = (name: string) => `globalThis.chaos('${name}');`;

const after = (name: string, file: string, find: string, more: More = {}): CrashPoint => ({
  name,
  rewrites: [{ file, find, replace: `${find} ${pass(name)}` }],
  ...more,
});

const before = (name: string, file: string, find: string, more: More = {}): CrashPoint => ({
  name,
  rewrites: [{ file, find, replace: `${pass(name)} ${find}` }],
  ...more,
});

/** What the hub publishes progress with becomes `instead`, an expression in which it is called `publish`. */
export const publishing = (instead: string): Rewrite => ({
  file: 'src/hub/hub.ts',
  find: '= publisher(',
  replace: `= ((...ports) => { const publish = publisher(...ports); return ${instead}; })(`,
});

const beforePublishing = (name: string): CrashPoint => ({
  name,
  rewrites: [publishing(`(report) => { ${pass(name)} return publish(report); }`)],
});

const afterPublishing = (name: string): CrashPoint => ({
  name,
  rewrites: [publishing(`(report) => publish(report).then(() => { ${pass(name)} })`)],
  isAnswer: true,
});

/** In the order of a task's life, then those that any role passes. */
export const crashPoints: readonly CrashPoint[] = [
  after('task ingested, not acknowledged', 'src/hub/ingest.ts', 'await stores(added);', { isAnswer: true }),
  before('offer decided, not committed', 'src/hub/ledger.ts', 'const [versions, withdrawn] ='),
  before('offer committed, not sent', 'src/hub/dispatch.ts', 'for (const task of offered) this.#offer(task);', {
    isAnswer: true,
  }),
  before('lease committed, not sent', 'src/hub/reports.ts', "if (made.verdict === 'refused'", { isAnswer: true }),
  before('lease or result written, nobody told', 'src/hub/ledger.ts', 'if (letters.length > 0) outbox.added();', {
    isAnswer: true,
  }),
  beforePublishing('progress arrived, not published'),
  afterPublishing('progress confirmed, not acknowledged'),
  before(
    'result committed, not acknowledged',
    'src/hub/reports.ts',
    'bot.drop(taskId, fence);\n    this.#ports.onWilling();',
    { isAnswer: true },
  ),
  before('heartbeats written, not known', 'src/hub/leases.ts', 'for (const { botId, epoch } of superseded)', {
    isAnswer: true,
  }),
  after('bot admitted, not welcomed', 'src/hub/admissions.ts', 'await this.#waiting.add(applicant);', {
    provokedBy: 'cut bots',
    isAnswer: true,
  }),
  before('session over, not detached', 'src/hub/detach.ts', 'await Promise.all([sessions.add(', {
    provokedBy: 'cut bots',
  }),
  after('leases ended, nobody told', 'src/hub/leases.ts', 'const ended = await ledger.expire();', {
    provokedBy: 'lost bots',
    isAnswer: true,
  }),
  after('drain announced', 'src/hub/hub.ts', "session.input({ type: 'drain' });", { provokedBy: 'drain' }),
  before('message confirmed, not marked', 'src/database/dispatcher.ts', 'this.#marks.add(row.id);'),
  before('event handled, not acknowledged', 'src/broker/consume.ts', "if (outcome === 'returned') delivery.requeue();"),
  before('transaction committed, nobody told', 'src/database/postgres.ts', 'for (const hook of hooks) hook();', {
    isAnswer: true,
  }),
];

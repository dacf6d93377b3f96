import { Command } from 'commander';
import { notFound } from '../contract/errors.ts';
import type { BotCredit, BotView, TaskView } from '../gen/fleet/v1/fleet.ts';
import { ageMs, whole } from './arguments.ts';
import { atDesk, type StaffApi } from './at-desk.ts';
import { idByEnd } from './id-by-end.ts';
import { coloured, formatAge, writeJson, writeLine, writeTable } from './output.ts';
import { orderIdOf, shortId } from './staff-order-id.ts';

/** What one command lists without being asked for more, and what a hub answers at once. */
const defaultLimit = 100;
const maxLimit = 1_000;

/** What a hub lets one robot hold. */
const mostTasks = 64;

/** A task that a robot has had for so long, or that waits for one, is worth a look: several tours of a large mall. ms */
const defaultStuckMs = 10 * 60_000;

const limitOption = [
  '--limit <count>',
  `at most so many (1 to ${maxLimit})`,
  whole(1, maxLimit),
  defaultLimit,
] as const;

export const fleetCommand = (): Command =>
  new Command('fleet')
    .description('the robots: session, what they do, charge, language')
    .option('--all', 'those without a stream as well')
    .option(...limitOption)
    .action(({ all = false, limit }: { all?: boolean; limit: number }, command: Command) =>
      atDesk(command, async (api, json) => {
        const { bots, nextPageToken } = await api.listBots({ connectedOnly: !all, pageSize: limit, pageToken: '' });
        if (json) writeJson({ bots: bots.map(botView), more: nextPageToken !== '' });
        else writeFleet(bots, nextPageToken !== '', new Date());
      }),
    );

export const limitCommand = (): Command =>
  new Command('limit')
    .description('how many tasks a robot is given at once, whatever it says itself; 0 takes it out of service')
    .argument('<bot>', 'robot id')
    .argument(
      '[most]',
      `tasks at once, of each kind (0 to ${mostTasks}); leave it out to lift the limit`,
      whole(0, mostTasks),
    )
    .option('--kind <name>', 'only of this kind')
    .action((botId: string, most: number | undefined, { kind = '' }: { kind?: string }, command: Command) =>
      atDesk(command, async (api, json) => {
        const { bot } = await api.limitBot({ botId, kind, most });
        if (json) writeJson({ bot: bot ? botView(bot) : null });
        else writeLine(limited(botId, most, kind));
      }),
    );

function limited(botId: string, most: number | undefined, kind: string): string {
  const what = kind ? `tasks of kind ${kind}` : 'tasks';
  if (most === undefined) return `${botId} is given as many ${what} as it takes`;
  if (most === 0) return `${botId} is given no more ${what}; those that it has it finishes`;
  return `${botId} is given at most ${most} ${what} at once${kind ? '' : ', of each kind'}`;
}

interface TaskOptions {
  readonly all?: boolean;
  readonly stuck?: number | true;
  readonly order?: string;
  readonly bot?: string;
  readonly state?: readonly string[];
  readonly limit: number;
}

export const tasksCommand = (): Command =>
  new Command('tasks')
    .description('what robots are to do: who has it, since when, which attempt')
    .option('--all', 'those that have ended as well')
    .option(
      '--stuck [age]',
      `only what is as it is for so long: 90s, 30m (default: ${defaultStuckMs / 60_000}m)`,
      ageMs,
    )
    .option('--order <id>', 'only of this order; the end of its id is enough')
    .option('--bot <id>', 'only what this robot has, or had last')
    .option('--state <state...>', 'only in these states: queued, running, suspect ...')
    .option(...limitOption)
    .action(({ all = false, stuck, order = '', bot = '', state = [], limit }: TaskOptions, command: Command) =>
      atDesk(command, async (api, json) => {
        const stuckMs = stuck === true ? defaultStuckMs : stuck;
        const { tasks, nextPageToken } = await api.listTasks({
          orderId: order === '' ? '' : await orderIdOf(order, api),
          openOnly: !all && state.length === 0,
          pageSize: limit,
          pageToken: '',
          states: state.map((name) => name.toUpperCase()),
          botId: bot,
          stuckFor: stuckMs === undefined ? undefined : { seconds: Math.floor(stuckMs / 1_000), nanos: 0 },
        });
        if (json) writeJson({ tasks: tasks.map(taskView), more: nextPageToken !== '' });
        else writeTasks(tasks, nextPageToken !== '', new Date());
      }),
    );

export const recallCommand = (): Command =>
  new Command('recall')
    .description('take a task back from its robot, for good')
    .argument('<task>', 'task id, or the end of it as `tasks` shows it')
    .option('--reason <text>', 'why, for the books', 'recalled by staff')
    .action((given: string, { reason }: { reason: string }, command: Command) =>
      atDesk(command, async (api, json) => {
        const { task } = await api.recallTask({ taskId: await taskIdOf(given, api), reason });
        if (json) writeJson({ task: task ? taskView(task) : null });
        else writeLine(recalled(task));
      }),
    );

function recalled(task: TaskView | undefined): string {
  const { state = '', botId = '' } = task ?? {};
  if (state === 'CANCELLED') return 'cancelled: no robot does it any more';
  return `${botId} is told to stop; the task is cancelled when it says that it has, or when its lease ends`;
}

/** The id that `given` stands for: itself, or that of the one open task whose id ends so. */
async function taskIdOf(given: string, api: Pick<StaffApi, 'listTasks'>): Promise<string> {
  const id = await idByEnd('task', given, async () => {
    const none = { orderId: '', pageToken: '', states: [], botId: '', stuckFor: undefined };
    const { tasks } = await api.listTasks({ ...none, openOnly: true, pageSize: maxLimit });
    return tasks.map(({ taskId }) => taskId);
  });
  if (id) return id;
  throw notFound('open task', 'task', given, 'see "mallbots staff tasks"; for one that has ended give the whole id');
}

function writeFleet(bots: readonly BotView[], more: boolean, now: Date): void {
  if (bots.length === 0) {
    writeLine('no robot is connected; "mallbots staff fleet --all" shows those that were');
    return;
  }
  writeTable(
    ['bot', 'session', 'charge', 'at', 'tasks', 'takes', 'speaks', 'seen'],
    bots.map(({ botId, sessionState, connected, battery, position, taskIds, kinds, speaks, credits, lastSeenAt }) => [
      botId,
      coloured(connected ? 'green' : 'yellow', sessionState.toLowerCase()),
      battery === undefined ? '' : `${Math.round(battery * 100)} %`,
      position ? `${position.x.toFixed(0)},${position.y.toFixed(0)}` : '',
      taskIds.map(shortId).join(' '),
      credits
        .filter(({ kind }) => kind !== '')
        .map(creditOf)
        .join(', '),
      languageOf({ kinds, speaks }),
      lastSeenAt ? `${formatAge(lastSeenAt, now)} ago` : '',
    ]),
  );
  if (more) writeLine(`there are more than these ${bots.length}: give --limit`);
}

/** "shop@1,2 return@1"; of a kind that has no revision here, its name. */
function languageOf({ kinds, speaks }: Pick<BotView, 'kinds' | 'speaks'>): string {
  const revisions = Map.groupBy(speaks, ({ kind }) => kind);
  const names = [...new Set([...kinds.map(({ kind }) => kind), ...revisions.keys()])];
  return names
    .map((kind) => {
      const numbers = revisions.get(kind)?.map(({ revision }) => revision) ?? [];
      return numbers.length === 0 ? kind : `${kind}@${numbers.join(',')}`;
    })
    .join(' ');
}

/** "shop 2", or "shop 0 of 2" where staff have limited it. */
function creditOf({ kind, amount, most }: BotCredit): string {
  const isLimited = most !== undefined && most < amount;
  return isLimited ? coloured('yellow', `${kind} ${most} of ${amount}`) : `${kind} ${amount}`;
}

function writeTasks(tasks: readonly TaskView[], more: boolean, now: Date): void {
  if (tasks.length === 0) {
    writeLine('no such task');
    return;
  }
  writeTable(
    ['task', 'kind', 'state', 'attempt', 'bot', 'order', 'for'],
    tasks.map(({ taskId, kind, state, attempt, maxAttempts, botId, orderId, since }) => [
      shortId(taskId),
      kind,
      stateOf(state),
      `${attempt} of ${maxAttempts}`,
      botId,
      shortId(orderId),
      since ? formatAge(since, now) : '',
    ]),
  );
  if (more) writeLine(`there are more than these ${tasks.length}: give --limit`);
}

const colours = { SUSPECT: 'yellow', CANCELLING: 'yellow', POISON: 'red', FAILED: 'red', RUNNING: 'green' } as const;

function stateOf(state: string): string {
  const colour = colours[state as keyof typeof colours];
  return colour ? coloured(colour, state.toLowerCase()) : state.toLowerCase();
}

const instant = (value: Date | undefined) => value?.toISOString() ?? null;

const botView = (bot: BotView) => ({
  botId: bot.botId,
  hubId: bot.hubId,
  connected: bot.connected,
  session: { id: bot.sessionId, state: bot.sessionState, epoch: bot.epoch, expiresAt: instant(bot.sessionExpiresAt) },
  lastSeenAt: instant(bot.lastSeenAt),
  position: bot.position ? { x: bot.position.x, y: bot.position.y } : null,
  battery: bot.battery ?? null,
  taskIds: bot.taskIds,
  kinds: bot.kinds.map(({ kind, digests }) => ({ kind, digests })),
  speaks: bot.speaks.map(({ kind, revision, digest }) => ({ kind, revision, digest })),
  credits: bot.credits.map(({ kind, amount, most }) => ({ kind, amount, most: most ?? null })),
  maxUnacknowledged: bot.maxUnacknowledged,
});

export const taskView = (task: TaskView) => ({
  taskId: task.taskId,
  kind: task.kind,
  revision: task.revision,
  digest: task.digest,
  orderId: task.orderId || null,
  state: task.state,
  attempt: task.attempt,
  maxAttempts: task.maxAttempts,
  fence: task.fence,
  botId: task.botId || null,
  onlyBotId: task.onlyBotId || null,
  priority: task.priority,
  createdAt: instant(task.createdAt),
  since: instant(task.since),
  heldUntil: instant(task.heldUntil),
  deadline: instant(task.deadline),
  reason: task.reason || null,
});

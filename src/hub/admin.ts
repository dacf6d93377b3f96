import { z } from 'zod';
import { invalid, MallError, notFound } from '../contract/errors.ts';
import { requireId } from '../contract/ids.ts';
import { pageOf, readPage } from '../contract/page.ts';
import type { Database } from '../database/port.ts';
import type { BotCredit, BotView, FleetAdminService, ListTasksRequest, TaskView } from '../gen/fleet/v1/fleet.ts';
import type { Duration } from '../gen/google/protobuf/duration.ts';
import type { Api } from '../rpc/api.ts';
import type { AskTask } from './ask-task.ts';
import { type BotLimits, everyOtherKind } from './bot-limits.ts';
import { type BotListing, listBots } from './bot-store.ts';
import type { CancelTask } from './cancel.ts';
import type { Control } from './control.ts';
import { botIdPattern, kindPattern, maxHeldTasks } from './hello.ts';
import { dropLimit, putLimit } from './limit-store.ts';
import { listNewest, listStuck, type TaskFilter } from './list-store.ts';
import { maxReasonChars, storedReason } from './read-report.ts';
import type { Task } from './task-phase.ts';
import { taskStates } from './task-states.ts';
import { findTask } from './task-store.ts';

/** The longest that anybody asks for; PostgreSQL counts no more than some millennia back. */
const mostStuckSeconds = 10 * 366 * 86_400;

/** What page tokens are made of. */
const botKey = z.string().regex(botIdPattern);
const taskKey = (order: 'newest' | 'stuck') =>
  z.object({ order: z.literal(order), atMs: z.int().min(0).max(8.64e15), taskId: z.string().max(200) });

/** fleet.v1.FleetAdmin: the whole fleet, whichever hub its bots are on. */
export const fleetAdmin = ({
  database,
  askTask,
  cancelTask,
  botLimits,
  control,
}: {
  database: Database;
  askTask: AskTask;
  cancelTask: CancelTask;
  botLimits: Pick<BotLimits, 'refresh'>;
  control: Pick<Control, 'tellLimits'>;
}): Omit<Api<FleetAdminService>, 'getHubStatus'> => ({
  async listBots({ connectedOnly, kind, hubId, ...request }) {
    const { size, after } = readPage(request, botKey);
    const filter = {
      connectedOnly,
      kind: optional(kind, requireKind),
      hubId: optional(hubId, (given) => requireId('hub_id', given, 'repeat the hub_id of a bot')),
      after,
      limit: size + 1,
    };
    const found = await database.query((orm) => listBots(orm, filter));
    const { page, nextPageToken } = pageOf(found, size, ({ botId }) => botId);
    return { bots: page.map(botView), nextPageToken };
  },

  getBot: async ({ botId }) => botView(await findBot(database, requireBotId(botId))),

  async limitBot({ botId: id, kind: given, most }) {
    const botId = requireBotId(id);
    const kind = given === '' ? everyOtherKind : requireKind(given);
    if (most !== undefined && most > maxHeldTasks) {
      throw invalid('most', most, 'OUT_OF_RANGE', `give 0 to ${maxHeldTasks}, or leave it out to lift the limit`);
    }
    const limit = { botId, kind };
    await database.query((orm) => (most === undefined ? dropLimit(orm, limit) : putLimit(orm, { ...limit, most })));
    const bot = await findBot(database, botId);
    // Whoever was told OK is offered nothing more by this hub; the others hear of it, or find it.
    await botLimits.refresh();
    control.tellLimits();
    return botView(bot);
  },

  async listTasks(request) {
    const filter = readTaskFilter(request);
    if (request.stuckFor === undefined) {
      const { size, after } = readPage(request, taskKey('newest'));
      const found = await database.query((orm) => listNewest(orm, { ...filter, limit: size + 1 }, after));
      return tasksOf(found, size, 'newest', ({ createdAt }) => createdAt);
    }
    const stuckForMs = readStuckFor(request.stuckFor);
    const { size, after } = readPage(request, taskKey('stuck'));
    const found = await database.query((orm) => listStuck(orm, { ...filter, limit: size + 1 }, stuckForMs, after));
    return tasksOf(found, size, 'stuck', ({ since }) => since);
  },

  async getTask({ taskId: id }) {
    const taskId = requireId('task_id', id);
    const task = await database.query((orm) => findTask(orm, taskId));
    if (task) return taskView(task);
    throw notFound('task', 'task_id', taskId);
  },

  async askTask(request) {
    const onlyBotId = optional(request.onlyBotId, requireBotId) ?? '';
    // Nobody would ever do it.
    if (onlyBotId) await findBot(database, onlyBotId);
    return taskView(await askTask({ ...request, kind: requireKind(request.kind), onlyBotId }));
  },

  async cancelTask({ taskId: id, reason }) {
    const taskId = requireId('task_id', id);
    if (reason.length > maxReasonChars) {
      throw invalid('reason', `${reason.length} characters`, 'TOO_LONG', `give at most ${maxReasonChars} characters`);
    }
    const decision = await cancelTask(taskId, storedReason(reason, 'recalled by staff'));
    if (decision.verdict !== 'refused') return taskView(decision.task);
    if (decision.reason === 'UNKNOWN_TASK') throw notFound('task', 'task_id', taskId);
    throw new MallError('FAILED_PRECONDITION', decision.message, {
      reason: 'TASK_OVER',
      field: 'task_id',
      value: taskId,
    });
  },
});

/** @throws MallError NOT_FOUND */
async function findBot(database: Database, botId: string): Promise<BotListing> {
  const [bot] = await database.query((orm) => listBots(orm, { botId, limit: 1 }));
  if (bot) return bot;
  throw notFound('bot', 'bot_id', botId, '"mallbots staff fleet --all" and ListBots have those that ever said hello');
}

function readTaskFilter({ orderId, botId, kind, states, openOnly }: ListTasksRequest): Omit<TaskFilter, 'limit'> {
  return {
    orderId: optional(orderId, (given) => requireId('order_id', given)),
    botId: optional(botId, requireBotId),
    kind: optional(kind, requireKind),
    states: states.map((given, index) => {
      const known = taskStates.find((state) => state === given);
      if (known) return known;
      throw invalid(`states[${index}]`, given, 'UNKNOWN_STATE', `give one of ${taskStates.join(', ')}`);
    }),
    openOnly,
  };
}

function readStuckFor({ seconds, nanos }: Duration): number {
  const total = seconds + nanos / 1e9;
  if (total > 0 && total <= mostStuckSeconds) return total * 1_000;
  throw invalid('stuck_for', `${total} s`, 'OUT_OF_RANGE', `give more than 0 s and at most ${mostStuckSeconds} s`);
}

const optional = <T>(given: string, read: (given: string) => T): T | undefined =>
  given === '' ? undefined : read(given);

function requireBotId(botId: string): string {
  if (botIdPattern.test(botId)) return botId;
  throw invalid('bot_id', botId, 'MALFORMED_BOT_ID', 'repeat the bot_id of its hello');
}

function requireKind(kind: string): string {
  if (kindPattern.test(kind)) return kind;
  throw invalid('kind', kind, 'MALFORMED_KIND', 'give a name such as shop');
}

function botView({ isLive, isCurrent, x, y, ...bot }: BotListing): BotView {
  const { botId, hubId, epoch, lastSeenAt, battery, taskIds, sessionId, sessionExpiresAt, instanceId } = bot;
  return {
    botId,
    hubId,
    epoch,
    connected: isLive,
    lastSeenAt,
    position: x === null || y === null ? undefined : { x, y },
    battery: battery ?? undefined,
    taskIds,
    sessionId,
    sessionState: isLive ? 'READY' : isCurrent ? 'DETACHED' : 'EXPIRED',
    sessionExpiresAt,
    instanceId,
    bootCount: bot.bootCount,
    kinds: bot.kinds,
    credits: creditsOf(bot),
    maxUnacknowledged: bot.maxUnacknowledged,
    speaks: bot.speaks,
  };
}

/** By kind: what the bot takes, and what it is let have. */
function creditsOf({ credits, limits }: Pick<BotListing, 'credits' | 'limits'>): BotCredit[] {
  const mostOf = (kind: string) => limits.find((limit) => limit.kind === kind)?.most;
  const said = credits.map(({ kind, amount }) => ({ kind, amount, most: mostOf(kind) ?? mostOf(everyOtherKind) }));
  const unsaid = limits.filter(({ kind }) => !credits.some((credit) => credit.kind === kind));
  return [...said, ...unsaid.map(({ kind, most }) => ({ kind, amount: 0, most }))];
}

function tasksOf(found: readonly Task[], size: number, order: 'newest' | 'stuck', at: (task: Task) => Date) {
  const key = (task: Task) => ({ order, atMs: at(task).getTime(), taskId: task.taskId });
  const { page, nextPageToken } = pageOf(found, size, key);
  return { tasks: page.map(taskView), nextPageToken };
}

function taskView({ phase, ...task }: Task): TaskView {
  const { taskId, schema, orderId, attempt, maxAttempts, fence, createdAt, since, priority, deadline, onlyBotId } =
    task;
  return {
    taskId,
    kind: schema.kind,
    revision: schema.revision,
    digest: schema.digest,
    orderId,
    state: phase.state,
    attempt,
    maxAttempts,
    fence,
    botId: 'botId' in phase ? phase.botId : '',
    createdAt,
    since,
    priority,
    deadline,
    onlyBotId,
    heldUntil: 'heldUntil' in phase ? phase.heldUntil : undefined,
    reason: 'reason' in phase ? phase.reason : '',
  };
}

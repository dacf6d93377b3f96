import { invalid, MallError, notFound } from '../contract/errors.ts';
import { requireId } from '../contract/ids.ts';
import type { Database } from '../database/port.ts';
import type { FleetAdminService, TaskView } from '../gen/fleet/v1/fleet.ts';
import type { Api } from '../rpc/api.ts';
import { listBots } from './bot-store.ts';
import type { CancelTask } from './cancel.ts';
import { maxReasonChars, storedReason } from './read-report.ts';
import type { Task } from './task-phase.ts';
import { listTasks } from './task-store.ts';

/** Tasks in one answer: when the request does not say, and at most. */
const defaultLimit = 100;
const maxLimit = 1_000;

/** fleet.v1.FleetAdmin: the whole fleet, whichever hub its bots are on. */
export const fleetAdmin = ({
  database,
  cancelTask,
}: {
  database: Database;
  cancelTask: CancelTask;
}): Omit<Api<FleetAdminService>, 'getHubStatus'> => ({
  async listBots({ connectedOnly }) {
    const bots = await database.query((orm) => listBots(orm, connectedOnly));
    return {
      bots: bots.map(({ botId, sessionId, hubId, epoch, isLive, isCurrent, lastSeenAt, x, y, battery, taskIds }) => ({
        botId,
        hubId,
        epoch,
        connected: isLive,
        lastSeenAt,
        position: x === null || y === null ? undefined : { x, y },
        battery: battery ?? 0,
        taskIds,
        sessionId,
        sessionState: isLive ? 'READY' : isCurrent ? 'DETACHED' : 'EXPIRED',
      })),
    };
  },

  async listTasks({ orderId, openOnly, limit }) {
    if (limit > maxLimit) throw invalid('limit', limit, 'OUT_OF_RANGE', `give at most ${maxLimit}`);
    const wanted = {
      orderId: orderId === '' ? undefined : requireId('order_id', orderId),
      openOnly,
      limit: limit || defaultLimit,
    };
    const tasks = await database.query((orm) => listTasks(orm, wanted));
    return { tasks: tasks.map(taskView) };
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

function taskView({ phase, ...task }: Task): TaskView {
  const { taskId, schema, orderId, attempt, fence, createdAt, priority, deadline, onlyBotId } = task;
  return {
    taskId,
    kind: schema.kind,
    orderId,
    state: phase.state,
    attempt,
    fence,
    botId: 'botId' in phase ? phase.botId : '',
    createdAt,
    priority,
    deadline,
    onlyBotId,
    heldUntil: 'heldUntil' in phase ? phase.heldUntil : undefined,
    reason: 'reason' in phase ? phase.reason : '',
  };
}

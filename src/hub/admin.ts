import { invalid } from '../contract/errors.ts';
import { requireId } from '../contract/ids.ts';
import type { Database } from '../database/port.ts';
import type { FleetAdminService } from '../gen/fleet/v1/fleet.ts';
import type { Api } from '../rpc/api.ts';
import { listBots } from './bot-store.ts';
import { listTasks } from './task-store.ts';

/** Tasks in one answer: when the request does not say, and at most. */
const defaultLimit = 100;
const maxLimit = 1_000;

/** fleet.v1.FleetAdmin: the whole fleet, whichever hub its bots are on. */
export const fleetAdmin = (database: Database): Omit<Api<FleetAdminService>, 'getHubStatus'> => ({
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
    return {
      tasks: tasks.map(
        ({ taskId, schema, orderId, phase, attempt, fence, createdAt, priority, deadline, onlyBotId }) => ({
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
        }),
      ),
    };
  },
});

import { requireId } from '../../contract/ids.ts';
import type { FleetAdminService } from '../../gen/fleet/v1/fleet.ts';
import type { StaffService } from '../../gen/staff/v1/staff.ts';
import type { Api } from '../../rpc/api.ts';

type FleetApi = Pick<Api<StaffService>, 'listBots' | 'limitBot' | 'listTasks' | 'askTask' | 'recallTask'>;

/** The fleet as any hub sees it in the tables that all of them share. */
export const fleetApi = (hub: Api<FleetAdminService>): FleetApi => ({
  listBots: ({ connectedOnly, pageSize, pageToken }, options) =>
    hub.listBots({ connectedOnly, pageSize, pageToken, kind: '', hubId: '' }, { signal: options?.signal }),

  async limitBot(request) {
    return { bot: await hub.limitBot(request) };
  },

  listTasks: (request, options) => hub.listTasks({ ...request, kind: '' }, { signal: options?.signal }),

  async askTask(request) {
    return { task: await hub.askTask(request) };
  },

  async recallTask({ taskId, reason }) {
    return { task: await hub.cancelTask({ taskId: requireId('task_id', taskId), reason }) };
  },
});

import type { Command } from 'commander';
import { StaffService } from '../gen/staff/v1/staff.ts';
import type { Api } from '../rpc/api.ts';
import { atRole } from './at-role.ts';

export type StaffApi = Api<StaffService>;

/** Of `mallbots staff`, for all of its commands. */
interface Options {
  readonly staff?: string;
  readonly json?: boolean;
}

/** Runs `work` with a connection to the staff role. */
export async function atDesk(command: Command, work: (api: StaffApi, json: boolean) => Promise<void>): Promise<void> {
  const { staff, json = false } = command.optsWithGlobals<Options>();
  await atRole(StaffService, 'staff', staff, (api) => work(api, json));
}

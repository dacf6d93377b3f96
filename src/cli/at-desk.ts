import { trace } from '@opentelemetry/api';
import type { Command } from 'commander';
import { readConfig } from '../config.ts';
import { StaffService } from '../gen/staff/v1/staff.ts';
import type { Api } from '../rpc/api.ts';
import { connectClient } from '../rpc/client.ts';
import { unreachable } from './unreachable.ts';

export type StaffApi = Api<StaffService>;

/** Of `mallbots staff`, for all of its commands. */
interface Options {
  readonly staff?: string;
  readonly json?: boolean;
}

/** Runs `work` with a connection to the staff role. What the role refuses passes through; that it is not there is said with what to do. */
export async function atDesk(command: Command, work: (api: StaffApi, json: boolean) => Promise<void>): Promise<void> {
  const { staff, json = false } = command.optsWithGlobals<Options>();
  const address = staff ?? readConfig().address.staff;
  // Without a provider this tracer makes no spans: the staff role's are the first of the desk's trace.
  const client = connectClient(StaffService, address, { tracer: trace.getTracer('mallbots') });
  try {
    await work(client.api, json);
  } catch (error) {
    throw unreachable(error, 'staff', address, 'give --staff host:port') ?? error;
  } finally {
    client.close();
  }
}

import type { ServiceError } from '@grpc/grpc-js';
import { MallError } from '../contract/errors.ts';
import { isFromTransport, transportReason } from '../rpc/errors.ts';

/**
 * What a person is told when `role` does not answer at `address`: how to start it, or where else to look (`elsewhere`, for example "give
 * --staff host:port"). Undefined for every error of another kind: what the role itself refuses passes through.
 */
export function unreachable(error: unknown, role: string, address: string, elsewhere: string): MallError | undefined {
  if (!(error instanceof MallError) || !isFromTransport(error)) return;
  if (error.code !== 'UNAVAILABLE' && error.code !== 'DEADLINE_EXCEEDED') return;
  const remedy = `start it with "mallbots up" or "mallbots ${role}", or ${elsewhere}`;
  return new MallError(
    error.code,
    `the ${role} role cannot be reached at ${address} (${transportReason(error.cause as ServiceError)}); ${remedy}`,
    { reason: `${role.toUpperCase()}_UNAVAILABLE`, field: role, value: address, remedy },
    { cause: error },
  );
}

import type { Logger } from 'pino';
import { invalid, MallError } from '../../contract/errors.ts';
import type { ParkedService } from '../../gen/parked/v1/parked.ts';
import type { StaffService } from '../../gen/staff/v1/staff.ts';
import type { Api } from '../../rpc/api.ts';

/** The roles that handle messages, and are asked for what they have parked. */
export const parkingRoles = ['orders', 'stores', 'payments', 'depot', 'kiosk'] as const;
export type ParkingRole = (typeof parkingRoles)[number];

type ParkedApi = Pick<Api<StaffService>, 'listParked' | 'retryParked' | 'dropParked'>;

export function parkedApi(roles: Readonly<Record<ParkingRole, Api<ParkedService>>>, logger: Logger): ParkedApi {
  return {
    async listParked({ role: wanted, key, afterId }, options) {
      const asked = wanted === '' ? parkingRoles : [requireRole(wanted)];
      const answers = await Promise.all(
        asked.map(async (role) => {
          try {
            const { messages } = await roles[role].listParked({ key, afterId }, { signal: options?.signal });
            return { role, messages };
          } catch (thrown) {
            const error = MallError.from(thrown);
            // One that was asked for by its name is all that there is to say.
            if (asked.length === 1 || error.code === 'INVALID_ARGUMENT') throw error;
            logger.warn(
              { role, reason: error.detail.reason, cause: error.message },
              'its parked messages are left out',
            );
            return { role, messages: undefined };
          }
        }),
      );
      return {
        parked: answers.flatMap(({ role, messages = [] }) => messages.map((message) => ({ role, message }))),
        unreachable: answers.flatMap(({ role, messages }) => (messages ? [] : [role])),
      };
    },

    retryParked: ({ role, key }) => roles[requireRole(role)].retryParked({ key }),

    async dropParked({ role, id }) {
      return { message: await roles[requireRole(role)].dropParked({ id }) };
    },
  };
}

function requireRole(role: string): ParkingRole {
  const known = parkingRoles.find((name) => name === role);
  if (known) return known;
  throw invalid('role', role, 'ROLE_UNKNOWN', `give one of ${parkingRoles.join(', ')}`);
}

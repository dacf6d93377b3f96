import { DrizzleQueryError } from 'drizzle-orm';
import { MallError, unavailable } from '../contract/errors.ts';
import { DeadlineExceeded } from '../kit/deadline.ts';
import { rootMessage } from '../kit/root-message.ts';

/** SQLSTATE codes that the program tells apart (PostgreSQL manual, appendix A). */
export const SqlState = {
  uniqueViolation: '23505',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  queryCanceled: '57014',
  lockNotAvailable: '55P03',
  idleInTransaction: '25P03',
  tooManyConnections: '53300',
  insufficientPrivilege: '42501',
} as const;

/** PostgreSQL's SQLSTATE or the driver's own code behind `error`; undefined when there is none. Drizzle wraps what the driver throws. */
export function sqlState(error: unknown): string | undefined {
  const cause = error instanceof DrizzleQueryError ? error.cause : error;
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
}

/** PostgreSQL chose this transaction to fail so that others could go on: the same again may well succeed. */
export const isTransient = (error: unknown): boolean => {
  const state = sqlState(error);
  return state === SqlState.serializationFailure || state === SqlState.deadlockDetected;
};

/**
 * Classes 08 (connection), 53 (resources), 57P (shutting down, starting up) and 58 (the server's own disk), 25006 (a standby or a demoted
 * primary, which only reads), and what the sockets and the driver say.
 */
const lostConnection =
  /^(08...|53...|57P0[1-5]|58...|25006|CONNECTION_.*|CONNECT_TIMEOUT|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/;
/** Class 28 (who you are) and 3D000 (no such database). */
const misconfigured = /^(28...|3D000)$/;

const timeouts = new Map<string, string>([
  [SqlState.queryCanceled, 'a statement took too long'],
  [SqlState.lockNotAvailable, 'a lock was not free in time'],
  [SqlState.idleInTransaction, 'a transaction was left idle'],
]);

/**
 * What the rest of the program gets for a failure at `address`: a MallError where the database was away, slow or misconfigured; else
 * the error itself, since only the caller knows what a violated constraint means.
 */
export function fromDriver(error: unknown, address: string): unknown {
  if (error instanceof MallError) return error;
  if (error instanceof DeadlineExceeded) return timedOut(error.message, error);
  const state = sqlState(error);
  if (state === undefined) return error;
  const timeout = timeouts.get(state);
  if (timeout) return timedOut(`${timeout} in the database at ${address}`, error);
  if (lostConnection.test(state)) {
    return unavailable(
      `the database at ${address} cannot be reached (${rootMessage(error)}); try again`,
      'DATABASE_UNAVAILABLE',
      error,
    );
  }
  if (misconfigured.test(state)) {
    const remedy = 'correct DATABASE_URL, or create what it names';
    return new MallError(
      'FAILED_PRECONDITION',
      `the database at ${address} refuses the connection (${rootMessage(error)}); ${remedy}`,
      { reason: 'DATABASE_REFUSED', field: 'DATABASE_URL', value: address, remedy },
      { cause: error },
    );
  }
  return error;
}

const timedOut = (message: string, cause: unknown) =>
  new MallError('DEADLINE_EXCEEDED', message, { reason: 'DATABASE_DEADLINE', remedy: 'try again' }, { cause });

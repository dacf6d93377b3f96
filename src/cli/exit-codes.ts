import type { CommanderError } from 'commander';
import { type Code, MallError } from '../contract/errors.ts';

/** What a command's exit status says, the same for every command. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  /** The command line is wrong: nothing was tried. */
  usage: 2,
  notFound: 3,
  /** Understood, but not in this state. */
  refused: 4,
  /** Nobody answered: try again. */
  unavailable: 5,
  /** By Ctrl-C, as shells count: 128 and the number of SIGINT. */
  interrupted: 130,
} as const;

const ofCode: Partial<Record<Code, number>> = {
  INVALID_ARGUMENT: exitCodes.usage,
  NOT_FOUND: exitCodes.notFound,
  ALREADY_EXISTS: exitCodes.refused,
  FAILED_PRECONDITION: exitCodes.refused,
  ABORTED: exitCodes.refused,
  UNAUTHENTICATED: exitCodes.refused,
  UNAVAILABLE: exitCodes.unavailable,
  DEADLINE_EXCEEDED: exitCodes.unavailable,
  RESOURCE_EXHAUSTED: exitCodes.unavailable,
};

export const exitCodeOf = (thrown: unknown): number =>
  thrown instanceof MallError ? (ofCode[thrown.code] ?? exitCodes.failed) : exitCodes.failed;

/** For `exitOverride`: commander has written its message; help and version are no mistakes. */
export function exitOnUsageError(error: CommanderError): never {
  process.exit(error.exitCode === 0 ? exitCodes.ok : exitCodes.usage);
}

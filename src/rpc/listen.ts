import { MallError } from '../contract/errors.ts';

/** Why a socket cannot be bound, for people (errno names of bind(2)); the gRPC library tells them inside its own message only. */
const reasons = [
  ['EADDRINUSE', 'ADDRESS_IN_USE', 'the port is taken', 'stop what listens there, or choose another port'],
  ['EACCES', 'ADDRESS_FORBIDDEN', 'this user may not use the port', 'choose a port from 1024 on'],
  [
    'EADDRNOTAVAIL',
    'ADDRESS_NOT_LOCAL',
    'this machine does not have the address',
    'give one that it has, or 127.0.0.1',
  ],
  ['ENOTFOUND', 'ADDRESS_UNKNOWN', 'the name is not known', 'give an address of this machine, or 127.0.0.1'],
] as const;

/** FAILED_PRECONDITION: nothing can listen on `listen` (`host:port`). */
export function cannotListen(listen: string, cause: Error): MallError {
  const errno = (cause as NodeJS.ErrnoException).code ?? '';
  const known = reasons.find(([name]) => errno === name || cause.message.includes(name));
  const [, reason, what, remedy] = known ?? ['', 'CANNOT_LISTEN', cause.message, 'give another address'];
  return new MallError(
    'FAILED_PRECONDITION',
    `cannot listen on ${listen}: ${what}; ${remedy}`,
    { reason, field: 'listen', value: listen, remedy },
    { cause },
  );
}

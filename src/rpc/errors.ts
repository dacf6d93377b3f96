import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { Code, MallError } from '../contract/errors.ts';
import { ErrorDetail } from '../gen/common/v1/common.ts';

const detailKey = 'mallbots-error-bin';

/** What goes over the wire for an error: status, message and detail; never the cause. */
export function toStatus(error: MallError): { code: number; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set(detailKey, Buffer.from(ErrorDetail.encode(error.detail).finish()));
  return { code: Code[error.code], details: error.message, metadata };
}

const codeOf = new Map(Object.entries(Code).map(([name, number]) => [number as number, name as Code]));

/** What the transport answers for a method that nobody has: what listens there is something else. */
const unimplemented = 12;

/** What the library says at either end of a message that is longer than its reader takes; the same message is too long the next time as well. */
const oversize = /^Received message larger than max \((\d+) vs (\d+)\)$/;

/** Whether the transport says it, and no service: its own errors have no reason but their code. */
export const isFromTransport = ({ code, detail }: MallError): boolean => detail.reason === code;

/** The MallError that a failed call to `address` stands for. */
export function fromStatus(error: ServiceError, address: string): MallError {
  const [bytes] = error.metadata?.get(detailKey) ?? [];
  if (Buffer.isBuffer(bytes)) {
    return new MallError(codeOf.get(error.code) ?? 'INTERNAL', error.details, ErrorDetail.decode(bytes), {
      cause: error,
    });
  }
  const [, size, most] = oversize.exec(error.details) ?? [];
  if (size) return tooLarge(address, size, most!, error);
  const code = error.code === unimplemented ? 'UNAVAILABLE' : (codeOf.get(error.code) ?? 'INTERNAL');
  const message = code === 'INTERNAL' ? error.details : `${address} cannot be reached: ${transportReason(error)}`;
  return new MallError(code, message, { reason: code }, { cause: error });
}

function tooLarge(address: string, size: string, most: string, cause: ServiceError): MallError {
  const remedy = 'send or ask for less at once';
  const message = `a message between here and ${address} has ${size} bytes, and may have ${most}; ${remedy}`;
  return new MallError('INVALID_ARGUMENT', message, { reason: 'MESSAGE_TOO_LARGE', value: size, remedy }, { cause });
}

/** What the library says, without how its load balancer came to it. */
export function transportReason({ code, details }: Pick<ServiceError, 'code' | 'details'>): string {
  if (code === unimplemented) return 'another service listens there';
  if (code === Code.DEADLINE_EXCEEDED) return 'no answer in time';
  return /Last error: (?:Error: )?(.+?)\. Resolution note/.exec(details)?.[1] ?? details;
}

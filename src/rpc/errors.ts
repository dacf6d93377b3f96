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

/** The MallError that a failed call stands for. */
export function fromStatus(error: ServiceError): MallError {
  const code = codeOf.get(error.code) ?? 'INTERNAL';
  const [bytes] = error.metadata?.get(detailKey) ?? [];
  const detail = Buffer.isBuffer(bytes) ? ErrorDetail.decode(bytes) : { reason: code };
  return new MallError(code, error.details, detail, { cause: error });
}

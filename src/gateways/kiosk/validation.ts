import type { FastifySchemaCompiler } from 'fastify';
import type { ZodType } from 'zod';
import { type Issue, invalidRequest } from './problem.ts';

/** Checks a part of a request against its zod schema; the first mistake becomes the MallError that the answer is made from. */
export const validatorCompiler: FastifySchemaCompiler<ZodType> = ({ schema, httpPart }) => {
  return (data: unknown) => {
    const result = schema.safeParse(data);
    if (result.success) return { value: result.data };
    return { error: invalidRequest(httpPart ?? 'body', result.error.issues[0] as Issue, data) };
  };
};

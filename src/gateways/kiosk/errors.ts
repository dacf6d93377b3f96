import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { MallError } from '../../contract/errors.ts';
import { httpProblem, type Problem, problemMediaType, problemOf, retryAfterSeconds } from './problem.ts';

/** What to do about the refusals of HTTP itself, by the framework's code for them. */
const remedies: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'send valid JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'send a JSON object',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'send application/json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'send less',
};

/** Any error of a route as problem details; what is nobody's fault outside is logged, and says nothing about the inside. */
export function errorHandler(logger: Logger) {
  return (thrown: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = problemFor(thrown);
    const route = request.routeOptions.url;
    if (problem.status === 500) logger.error({ err: thrown, route }, problem.detail);
    // A service that is away is no bug: where it was noticed says nothing.
    else if (problem.status > 500) logger.warn({ reason: problem.reason, route }, problem.detail);
    return sendProblem(reply, problem);
  };
}

function problemFor(thrown: FastifyError | MallError): Problem {
  if (thrown instanceof MallError) return problemOf(thrown);
  const { statusCode, code, message } = thrown;
  if (statusCode === undefined || statusCode >= 500) {
    if (statusCode === 503) return httpProblem(503, 'SHUTTING_DOWN', 'this kiosk is shutting down', 'try again');
    return problemOf(MallError.from(thrown));
  }
  const reason = (code ?? 'BAD_REQUEST').replace(/^FST_ERR_(CTP_)?/, '');
  return httpProblem(statusCode, reason, message, remedies[code] ?? '');
}

export function sendNoRoute(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const detail = `there is no ${request.method} ${request.url.split('?', 1)[0]?.slice(0, 200)}`;
  return sendProblem(reply, httpProblem(404, 'NO_ROUTE', detail, 'GET /openapi.json lists what there is'));
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 503 || problem.status === 429) reply.header('retry-after', String(retryAfterSeconds));
  // A string is not put through the route's own response schema.
  return reply.code(problem.status).type(problemMediaType).send(JSON.stringify(problem));
}

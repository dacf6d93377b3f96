import { maxHeaderSize, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { MallError } from '../../contract/errors.ts';
import { httpProblem, type Problem, problemMediaType, problemOf, retryAfterSeconds } from './problem.ts';

/** Bytes of a request's body: an order of 100 lines is an eighth of it. */
export const bodyLimitBytes = 64 * 1024;
/** Of a path, in an answer. */
const maxShownChars = 200;

/** The refusals of HTTP itself, by the framework's code for them: the field at fault and what to do. */
const refusals: Readonly<Record<string, { field: string; remedy: string }>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: { field: 'body', remedy: 'send valid JSON' },
  FST_ERR_CTP_EMPTY_JSON_BODY: { field: 'body', remedy: 'send a JSON object' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { field: 'Content-Type', remedy: 'send application/json' },
  FST_ERR_CTP_BODY_TOO_LARGE: { field: 'body', remedy: `send at most ${bodyLimitBytes} bytes` },
  FST_ERR_BAD_URL: { field: 'path', remedy: 'percent-encode it as UTF-8' },
};

/** Any error of a route as problem details; what is nobody's fault outside is logged, and says nothing about the inside. */
export function errorHandler(logger: Logger) {
  return (thrown: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = problemFor(thrown, request);
    const route = request.routeOptions.url;
    if (problem.status === 500) logger.error({ err: thrown, route }, problem.detail);
    // A service that is away is no bug: where it was noticed says nothing.
    else if (problem.status > 500) logger.warn({ reason: problem.reason, route }, problem.detail);
    return sendProblem(reply, problem);
  };
}

function problemFor(thrown: FastifyError | MallError, { headers, url }: FastifyRequest): Problem {
  if (thrown instanceof MallError) return problemOf(thrown);
  const { statusCode, code, message } = thrown;
  if (statusCode === undefined || statusCode >= 500) {
    if (statusCode !== 503) return problemOf(MallError.from(thrown));
    return httpProblem(503, { reason: 'SHUTTING_DOWN', detail: 'this kiosk is shutting down', remedy: 'try again' });
  }
  const reason = (code ?? 'BAD_REQUEST').replace(/^FST_ERR_(CTP_)?/, '');
  const refusal = refusals[code];
  if (!refusal) return httpProblem(statusCode, { reason, detail: message });
  const { field, remedy } = refusal;
  const value = { 'Content-Type': headers['content-type'] ?? '', path: url.slice(0, maxShownChars) }[field] ?? '';
  return httpProblem(statusCode, { reason, detail: `${message}; ${remedy}`, field, value, remedy });
}

export function sendNoRoute(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?', 1)[0]!.slice(0, maxShownChars);
  const remedy = 'GET /openapi.json lists what there is';
  const detail = `there is no ${request.method} ${path}; ${remedy}`;
  return sendProblem(reply, httpProblem(404, { reason: 'NO_ROUTE', detail, field: 'path', value: path, remedy }));
}

/** What the HTTP parser refuses, before there is a request: everything else is 400. */
const parserRefusals: Readonly<Record<string, Problem>> = {
  HPE_HEADER_OVERFLOW: httpProblem(431, {
    reason: 'HEADERS_TOO_LARGE',
    detail: `the headers are larger than ${maxHeaderSize} bytes; send less`,
    field: 'headers',
    remedy: 'send less',
  }),
  ERR_HTTP_REQUEST_TIMEOUT: httpProblem(408, {
    reason: 'REQUEST_TIMEOUT',
    detail: 'the request did not arrive in time; send it at once',
    remedy: 'send it at once',
  }),
};
const noHttp = httpProblem(400, {
  reason: 'MALFORMED_REQUEST',
  detail: 'this is not HTTP/1.1; send a well-formed request',
  remedy: 'send a well-formed request',
});

/** Answers on the bare socket, in the form of every other refusal. */
export function sendParserRefusal({ code }: Error & { code?: string }, socket: Socket): void {
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = parserRefusals[code ?? ''] ?? noHttp;
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 503 || problem.status === 429) reply.header('retry-after', String(retryAfterSeconds));
  // A string is not put through the route's own response schema.
  return reply.code(problem.status).type(problemMediaType).send(JSON.stringify(problem));
}

/** A unary method of a service definition that ts-proto generates. */
export interface UnaryMethod {
  readonly path: string;
  readonly requestStream: false;
  readonly responseStream: false;
  // biome-ignore lint/suspicious/noExplicitAny: a supertype of every generated method needs a bivariant value.
  requestSerialize(value: any): Buffer;
  requestDeserialize(bytes: Buffer): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  responseSerialize(value: any): Buffer;
  responseDeserialize(bytes: Buffer): unknown;
}

export type UnaryDefinition = Record<string, UnaryMethod>;

/** One call as an implementation sees it, and what a client may ask of one. */
export interface CallOptions {
  /** Aborted when the caller hangs up or its deadline passes. */
  readonly signal?: AbortSignal | undefined;
  /** ms; the client's default is `defaultDeadlineMs`. */
  readonly deadlineMs?: number | undefined;
}

/**
 * A unary gRPC service as plain functions: what a server implements is what a client calls, so a caller cannot tell whether the service
 * is in its process.
 */
export type Api<D> = {
  [M in keyof D]: D[M] extends {
    requestSerialize(value: infer Request): Buffer;
    responseDeserialize(bytes: Buffer): infer Response;
  }
    ? (request: Request, options?: CallOptions) => Promise<Response>
    : never;
};

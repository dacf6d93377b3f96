/** A method of a service definition that ts-proto generates. */
interface Method<Streams extends boolean> {
  readonly path: string;
  readonly requestStream: false;
  readonly responseStream: Streams;
  // biome-ignore lint/suspicious/noExplicitAny: a supertype of every generated method needs a bivariant value.
  requestSerialize(value: any): Buffer;
  requestDeserialize(bytes: Buffer): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  responseSerialize(value: any): Buffer;
  responseDeserialize(bytes: Buffer): unknown;
}

export type UnaryMethod = Method<false>;
/** One request, and a stream of responses. */
export type StreamMethod = Method<true>;

export type UnaryDefinition = Record<string, UnaryMethod>;
export type Definition = Record<string, UnaryMethod | StreamMethod>;

/** One call as an implementation sees it, and what a client may ask of one. */
export interface CallOptions {
  /** Aborted when the caller hangs up or its deadline passes. */
  readonly signal?: AbortSignal | undefined;
  /** Whose call it is, `address:port`; for the implementation alone. */
  readonly peer?: string | undefined;
  /** ms; the client's default is `defaultDeadlineMs`, of a stream that it may last for ever. */
  readonly deadlineMs?: number | undefined;
}

/**
 * A gRPC service as plain functions: what a server implements is what a client calls, so a caller cannot tell whether the service
 * is in its process. A stream is read no faster than its reader goes on, over the wire too; it ends without an error when the signal aborts.
 */
export type Api<D> = {
  [M in keyof D]: D[M] extends {
    responseStream: infer Streams;
    requestSerialize(value: infer Request): Buffer;
    responseDeserialize(bytes: Buffer): infer Response;
  }
    ? (request: Request, options?: CallOptions) => Streams extends true ? AsyncIterable<Response> : Promise<Response>
    : never;
};

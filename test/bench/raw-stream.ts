import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { ServerDuplexStream } from '@grpc/grpc-js';

const pass = (bytes: Buffer): Buffer => bytes;

const method = (name: string) => ({
  path: `/bench.Raw/${name}`,
  requestStream: true,
  responseStream: true,
  requestSerialize: pass,
  requestDeserialize: pass,
  responseSerialize: pass,
  responseDeserialize: pass,
});

/** Of raw-server.ts: bytes both ways, no schema. */
export const rawMethods = {
  echo: method('Echo'),
  publish: method('Publish'),
  hear: method('Hear'),
  dispatch: method('Dispatch'),
  teach: method('Teach'),
} as const;

export type RawServerCall = ServerDuplexStream<Buffer, Buffer>;

/** Before each message: a byte that says whether it is compressed, and its length in four (gRPC over HTTP/2). */
const prefixBytes = 5;

/**
 * A bidi stream of bytes over a connection of its own, as a bot has: gRPC by hand over Node's HTTP/2, since the load shares its processors with
 * what is measured, and a client of grpc-js costs more than a server's stream does.
 */
export class RawStream {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #onBytes: (bytes: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** `onEnd` is called once, whoever ended it. */
  constructor(address: string, path: string, onBytes: (bytes: Buffer) => void, onEnd: (why: string) => void) {
    this.#onBytes = onBytes;
    this.#session = connect(`http://${address}`);
    this.#stream = this.#session.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      { endStream: false },
    );
    let why = 'the connection was lost';
    const told = (error: Error) => {
      why = error.message || why;
    };
    this.#session.on('error', told);
    this.#stream.on('error', told);
    this.#stream.on('trailers', (trailers) => {
      why = `${trailers['grpc-status']} ${trailers['grpc-message']}`;
    });
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#stream.on('close', () => {
      this.#session.destroy();
      onEnd(why);
    });
  }

  write(bytes: Buffer): void {
    const message = Buffer.allocUnsafe(prefixBytes + bytes.length);
    message[0] = 0;
    message.writeUInt32BE(bytes.length, 1);
    bytes.copy(message, prefixBytes);
    this.#stream.write(message);
  }

  #take(chunk: Buffer): void {
    let left = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (left.length >= prefixBytes && left.length >= prefixBytes + left.readUInt32BE(1)) {
      const end = prefixBytes + left.readUInt32BE(1);
      this.#onBytes(left.subarray(prefixBytes, end));
      left = left.subarray(end);
    }
    this.#rest = left;
  }
}

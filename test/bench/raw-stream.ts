import { Client, type ClientDuplexStream, credentials, type ServerDuplexStream } from '@grpc/grpc-js';

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
} as const;

export type RawServerCall = ServerDuplexStream<Buffer, Buffer>;

/** A bidi stream of bytes over a connection of its own, as a bot has. */
export class RawStream {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;

  /** `onEnd` is called once, whoever ended it. */
  constructor(address: string, path: string, onBytes: (bytes: Buffer) => void, onEnd: (why: string) => void) {
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    this.#call = this.#client.makeBidiStreamRequest(path, pass, pass);
    this.#call.on('data', onBytes);
    this.#call.on('error', () => undefined);
    this.#call.on('status', ({ code, details }) => {
      this.#client.close();
      onEnd(`${code} ${details}`);
    });
  }

  write(bytes: Buffer): void {
    this.#call.write(bytes);
  }
}

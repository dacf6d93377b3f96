import { connect, type Socket } from 'node:net';

/** Frame types of RFC 9113. */
const types = { headers: 1, reset: 3, settings: 4, ping: 6, windowUpdate: 8 } as const;

const endHeaders = 4;
const cancel = 8;

function frame(type: keyof typeof types, stream: number, payload: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = types[type];
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header field as HPACK writes a literal that is not indexed. */
const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);

/** An HTTP/2 client that obeys nothing: it writes what it is told to, and never answers. */
export class RawHttp2 {
  readonly socket: Socket;
  /** Resolves when the connection is over. */
  readonly closed: Promise<unknown>;
  #stream = 1;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.resume();
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }

  /** `address` is `host:port`. */
  static async to(address: string): Promise<RawHttp2> {
    const [host, port] = address.split(':');
    const socket = connect(Number(port), host);
    const raw = new RawHttp2(socket);
    await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), raw.closed]);
    return raw;
  }

  greet(): void {
    this.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    this.settings();
  }

  settings(): void {
    this.socket.write(frame('settings', 0, Buffer.alloc(0)));
  }

  ping(): void {
    this.socket.write(frame('ping', 0, Buffer.alloc(8)));
  }

  windowUpdate(count = 1): void {
    const one = frame('windowUpdate', 0, Buffer.from([0, 0, 0, 1]));
    this.socket.write(Buffer.concat(Array<Buffer>(count).fill(one)));
  }

  /** Begins a call; answers with its stream. */
  open(path: string): number {
    const stream = this.#stream;
    this.#stream += 2;
    // POST and http by their places in HPACK's static table.
    const fields = [Buffer.from([0x83, 0x86]), literal(':path', path), literal(':authority', 'hub')];
    const block = Buffer.concat([...fields, literal('content-type', 'application/grpc'), literal('te', 'trailers')]);
    this.socket.write(frame('headers', stream, block, endHeaders));
    return stream;
  }

  reset(stream: number): void {
    this.socket.write(frame('reset', stream, Buffer.from([0, 0, 0, cancel])));
  }

  end(): void {
    this.socket.destroy();
  }
}

import { StreamDecoder } from '@grpc/grpc-js/build/src/stream-decoder.js';

/** Fields that the decoder has and its declarations do not. */
interface Remains {
  readState: number;
  readCompressFlag: Buffer;
  readPartialMessage: Buffer[];
}

/** `ReadState.NO_DATA`: between two messages. The next one begins with arrays of its own. */
const betweenMessages = 0;
const noFlag = Buffer.alloc(1);
const noParts: Buffer[] = [];

/**
 * The library's decoder keeps each stream's last message until the next one begins (grpc-js 1.14.7): of a fleet that beats every two seconds, all of them become
 * old objects first, and their garbage a full collection of V8 (a third of what 5,000 bots leave behind, measured). From here on it lets go of them.
 */
export function forgetReadMessages(): void {
  const { write } = StreamDecoder.prototype;
  StreamDecoder.prototype.write = function (data) {
    const messages = write.call(this, data);
    const remains = this as unknown as Remains;
    if (remains.readState === betweenMessages) {
      remains.readCompressFlag = noFlag;
      remains.readPartialMessage = noParts;
    }
    return messages;
  };
}

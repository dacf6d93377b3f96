import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** What generated code offers of a message. */
export interface Encoder<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
}

/** Bytes of a message up to which its buffer is kept for the next one: most messages have a few hundred. */
const maxKeptBytes = 64 * 1024;

let writer = new BinaryWriter();

/**
 * The bytes of `message`, in an array of its own. All messages are written by one writer, which keeps its buffer: one that begins small and grows
 * takes three to ten times as long for what the hub says and publishes (9.1 us against 3.2 for an event of 290 bytes, 2.2 against 0.2 for an
 * acknowledgement).
 */
export function encoded<T>(type: Encoder<T>, message: T): Uint8Array {
  try {
    const bytes = type.encode(message, writer).finish();
    if (bytes.length > maxKeptBytes) writer = new BinaryWriter();
    return bytes;
  } catch (error) {
    // What it has written of this message must not be the beginning of another.
    writer = new BinaryWriter();
    throw error;
  }
}

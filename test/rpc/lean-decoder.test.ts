import { StreamDecoder } from '@grpc/grpc-js/build/src/stream-decoder.js';
import { expect, it } from 'vitest';
import { forgetReadMessages } from '../../src/rpc/lean-decoder.ts';
import { shareGoneYoung } from '../support/young-garbage.ts';

const noLimit = -1;
const prefixBytes = 5;

/** `body` as gRPC has it on the wire: uncompressed, with its length. */
function framed(body: string): Buffer {
  const message = Buffer.from(new ArrayBuffer(prefixBytes + body.length));
  message.writeUInt32BE(body.length, 1);
  message.write(body, prefixBytes);
  return message;
}

/** Streams that have read a message each and wait for the next, as those of bots do between two heartbeats. */
const streams: StreamDecoder[] = [];
function readOne(): object {
  const stream = new StreamDecoder(noLimit);
  streams.push(stream);
  const data = framed('a heartbeat');
  expect(stream.write(data)).toHaveLength(1);
  return data.buffer;
}

it('lets go of a message that was read, which the library keeps until the next one begins', async () => {
  expect(await shareGoneYoung(readOne)).toBe(0);
  forgetReadMessages();
  expect(await shareGoneYoung(readOne)).toBeGreaterThan(0.5);
});

it('reads what comes in pieces, several at once, and empty ones', () => {
  forgetReadMessages();
  const stream = new StreamDecoder(noLimit);
  const bytes = Buffer.concat([framed('one'), framed(''), framed('three')]);
  const whole = stream.write(bytes);
  const pieces = Array.from(bytes, (_, index) => stream.write(bytes.subarray(index, index + 1))).flat();
  for (const read of [whole, pieces]) {
    expect(read.map((message) => message.toString('latin1', prefixBytes))).toEqual(['one', '', 'three']);
  }
});

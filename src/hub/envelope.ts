import { encoded } from '../contract/encoding.ts';
import { BotFrame, HubFrame, HubService } from '../gen/fleet/v1/fleet.ts';

/** Stands for bytes that are no frame. A deserialiser that throws would end the whole stream. */
export interface Malformed {
  readonly malformed: string;
}

/** With its size on the wire, bytes. */
export type SizedFrame = BotFrame & { readonly wireBytes: number };

export type IncomingFrame = SizedFrame | Malformed;

export const isMalformed = (frame: IncomingFrame): frame is Malformed => 'malformed' in frame;

function readFrame(bytes: Buffer): IncomingFrame {
  try {
    return Object.assign(BotFrame.decode(bytes), { wireBytes: bytes.length });
  } catch (error) {
    return { malformed: `${bytes.length} bytes are not a fleet.v1.BotFrame: ${(error as Error).message}` };
  }
}

/** Bodies that thousands of bots are sent, as a frame has them that says nothing else: in protobuf, what stands one behind the other is one message. */
const sharedBodies = new WeakMap<object, Uint8Array>();

function writeFrame(frame: HubFrame): Buffer {
  const { body } = frame;
  if (body?.$case === 'protocolOffer') {
    const shared = sharedBodies.get(body.value) ?? encoded(HubFrame, { seq: 0, ack: 0, traceparent: '', body });
    sharedBodies.set(body.value, shared);
    return Buffer.concat([encoded(HubFrame, { ...frame, body: undefined }), shared]);
  }
  const { buffer, byteOffset, byteLength } = encoded(HubFrame, frame);
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** fleet.v1.Hub, except that bytes which are no frame reach the session. */
export const hubDefinition = {
  session: { ...HubService.session, requestDeserialize: readFrame, responseSerialize: writeFrame },
} as const;

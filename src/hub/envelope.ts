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

function writeFrame(frame: HubFrame): Buffer {
  const { buffer, byteOffset, byteLength } = encoded(HubFrame, frame);
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** fleet.v1.Hub, except that bytes which are no frame reach the session. */
export const hubDefinition = {
  session: { ...HubService.session, requestDeserialize: readFrame, responseSerialize: writeFrame },
} as const;

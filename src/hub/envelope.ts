import { BotFrame, HubService } from '../gen/fleet/v1/fleet.ts';

/** Stands for bytes that are no frame. A deserialiser that throws would end the whole stream. */
export interface Malformed {
  readonly malformed: string;
}

export type IncomingFrame = BotFrame | Malformed;

export const isMalformed = (frame: IncomingFrame): frame is Malformed => 'malformed' in frame;

function readFrame(bytes: Buffer): IncomingFrame {
  try {
    return BotFrame.decode(bytes);
  } catch (error) {
    return { malformed: `${bytes.length} bytes are not a fleet.v1.BotFrame: ${(error as Error).message}` };
  }
}

/** fleet.v1.Hub, except that bytes which are no frame reach the session. */
export const hubDefinition = { session: { ...HubService.session, requestDeserialize: readFrame } } as const;

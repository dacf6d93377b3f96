import { type ChannelCredentials, Client, type ClientOptions, credentials } from '@grpc/grpc-js';
import { HubFrame, HubService } from '../../src/gen/fleet/v1/fleet.ts';
import type { HubCall } from './uplink.ts';

/** A robot that drives out of reach leaves a connection that looks open: asked every 10 s, given up after 5 s more. */
const keepaliveTimeMs = 10_000;
const keepaliveTimeoutMs = 5_000;

const channelOptions: ClientOptions = {
  'grpc.keepalive_time_ms': keepaliveTimeMs,
  'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
  // Bots of one process must not share a connection: each stands for a robot of its own.
  'grpc.use_local_subchannel_pool': 1,
  // Books about each connection and message, for a service that is not served here.
  'grpc.enable_channelz': 0,
};

/** Stands for a frame that could not be decoded: a deserialiser that throws would end the whole stream. */
export class Unreadable {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

function readHubFrame(bytes: Buffer): HubFrame | Unreadable {
  try {
    return HubFrame.decode(bytes);
  } catch (error) {
    return new Unreadable(`${bytes.length} bytes are not a fleet.v1.HubFrame: ${(error as Error).message}`);
  }
}

export interface HubLine {
  readonly call: HubCall;
  close(): void;
}

/**
 * A stream to `address` over a connection of its own. New for each attempt, so that the SDK's back-off is the only one: a used
 * channel waits by its own rules before it connects again.
 */
export function dialHub(address: string, secure: ChannelCredentials = credentials.createInsecure()): HubLine {
  const { path, requestSerialize } = HubService.session;
  const client = new Client(address, secure, channelOptions);
  return {
    call: client.makeBidiStreamRequest(path, requestSerialize, readHubFrame),
    close: () => client.close(),
  };
}

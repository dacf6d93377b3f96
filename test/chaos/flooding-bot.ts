import { once } from 'node:events';
import { Client, credentials, status } from '@grpc/grpc-js';
import { newId } from '../../src/contract/ids.ts';
import { BotFrame, type HubFrame, HubService } from '../../src/gen/fleet/v1/fleet.ts';

/** `node flooding-bot.ts <host:port> <ms>`: floods for so long from its first welcome on, and tells its parent what came of it. */
export interface Flooded {
  readonly frames: number;
  /** Streams that the hub ended because of it. */
  readonly endings: number;
}

const [address = '', ms = ''] = process.argv.slice(2);
/** For the first welcome, ms: it is no flood before that. */
const welcomePatienceMs = 30_000;
let endsAtMs = performance.now() + welcomePatienceMs;
let isWelcome = false;
const instanceId = newId();
const { path, requestSerialize, responseDeserialize } = HubService.session;
const hello = BotFrame.fromPartial({ body: { $case: 'hello', value: { botId: 'flooding-bot', instanceId } } });
const heartbeat = BotFrame.fromPartial({ body: { $case: 'heartbeat', value: { battery: 1 } } });

let frames = 0;
let endings = 0;
while (performance.now() < endsAtMs) {
  if ((await floodOneStream()) === status.RESOURCE_EXHAUSTED) endings += 1;
}
process.send!({ frames, endings } satisfies Flooded, () => process.exit());

/** As fast as the socket takes it, once welcome; the status that the stream ended with. */
async function floodOneStream(): Promise<number> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const call = client.makeBidiStreamRequest<BotFrame, HubFrame>(path, requestSerialize, responseDeserialize);
  call.on('error', () => {});
  call.write(hello);
  const ended = new Promise<number>((resolve) => call.on('status', ({ code }) => resolve(code)));
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  await Promise.race([once(call, 'data'), ended]);
  if (!isOver && !isWelcome) {
    isWelcome = true;
    endsAtMs = performance.now() + Number(ms);
  }
  call.resume();
  while (!isOver && performance.now() < endsAtMs) {
    frames += 1;
    if (!call.write(heartbeat)) await Promise.race([once(call, 'drain'), ended]);
  }
  call.cancel();
  const code = await ended;
  client.close();
  return code;
}

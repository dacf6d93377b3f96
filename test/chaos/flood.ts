import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { hostEnvironment } from '../../src/config.ts';
import { NotInTime } from './cast.ts';
import type { Flooded } from './flooding-bot.ts';

/** A bot in a process of its own that sends as fast as it can. @throws NotInTime when the hub lets it */
export async function flood(address: string, ms: number, signal: AbortSignal): Promise<Flooded> {
  const bot = fork(fileURLToPath(new URL('./flooding-bot.ts', import.meta.url)), [address, String(ms)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: hostEnvironment as NodeJS.ProcessEnv,
    signal,
    detached: true,
  });
  const flooded = await new Promise<Flooded>((resolve, reject) => {
    bot.once('message', resolve as (message: unknown) => void);
    bot.once('error', reject);
    bot.once('exit', () => reject(new Error('the flooding bot ended without a word')));
  });
  if (flooded.endings > 0) return flooded;
  throw new NotInTime(`a hub took ${flooded.frames} frames in ${ms} ms from one bot and ended no stream of it`);
}

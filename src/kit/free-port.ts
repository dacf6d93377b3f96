import { createServer } from 'node:net';

/**
 * Below what kernels give to outgoing connections (Linux from 32768 on, others from 49152): a port from there may be taken by any
 * connection between now and when somebody listens.
 */
const lowest = 20_000;
const highest = 32_767;
const tries = 100;

/** A TCP port on the loopback that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  for (let left = tries; left > 0; left -= 1) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1));
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${lowest} to ${highest} is free in ${tries} tries`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

import { createServer } from 'node:net';

/**
 * Below what kernels give to outgoing connections (Linux from 32768 on, others from 49152): a port from there may be taken by any
 * connection between now and when somebody listens.
 */
const lowest = 20_000;
const highest = 32_767;

/**
 * Ports of one block, which is one process's as long as that lives: between asking for a port and listening at it there are seconds
 * where a role's process starts, and it is free for all when that is killed and starts again. 199 blocks of 64: more processes than
 * one machine tests with, more ports than a mall listens at.
 */
const blockSize = 64;
const blocks = Math.floor((highest - lowest + 1) / blockSize);

let block: Promise<number[]> | undefined;

/** A TCP port on the loopback that nobody listens at, given once: no other call gets it, in this process or another, as long as this one lives. */
export async function freePort(): Promise<number> {
  for (;;) {
    block ??= takeBlock();
    const current = block;
    const port = (await current).shift();
    if (port !== undefined) {
      if (await isFree(port)) return port;
    } else if (block === current) block = undefined;
  }
}

/** The ports of a block that no living process has: its first port is held, which the kernel ends with the process, however that ends. */
async function takeBlock(): Promise<number[]> {
  const start = Math.floor(Math.random() * blocks);
  for (let tried = 0; tried < blocks; tried += 1) {
    const first = lowest + ((start + tried) % blocks) * blockSize;
    if (await hold(first)) return Array.from({ length: blockSize - 1 }, (_, index) => first + 1 + index);
  }
  throw new Error(`every block of ${blockSize} ports from ${lowest} to ${highest} is taken`);
}

function hold(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const holder = createServer().once('error', () => resolve(false));
    holder.listen(port, '127.0.0.1', () => resolve(true)).unref();
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

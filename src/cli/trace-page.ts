import { spawn } from 'node:child_process';
import { writeLine } from './output.ts';

/** What opens a page on each platform. */
const openers: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
  linux: ['xdg-open'],
};

/** Prints the address, and opens it where there is something that can: the address is the answer, a browser a convenience. */
export async function openPage(url: string): Promise<void> {
  writeLine(url);
  const [command, ...first] = openers[process.platform] ?? [];
  if (!command) return;
  await new Promise<void>((resolve) => {
    const opener = spawn(command, [...first, url], { stdio: 'ignore', detached: true });
    opener.once('spawn', resolve);
    opener.once('error', () => resolve());
    opener.unref();
  });
}

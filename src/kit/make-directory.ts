import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes the directory and those above it that are missing. Not mkdir's own `recursive`: where nothing can be made, such as in /proc, Node
 * tries that for ever.
 * @throws Error that names what is in the way
 */
export function makeDirectory(path: string): void {
  if (existsSync(path)) {
    if (statSync(path).isDirectory()) return;
    throw new Error(`${path} is not a directory`);
  }
  makeDirectory(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process was as fast.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

import { closeSync, openSync, readFileSync, renameSync, truncateSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { BotStore } from './bot-store.ts';

/** Hexadecimal digits of the checksum, and a blank. */
const headChars = 9;

const framed = (line: string): string => `${crc32(line).toString(16).padStart(8, '0')} ${line}\n`;

/**
 * Keeps a bot's lines in a file, each with its checksum. What was written survives the process, however that ends; the file is not synced to
 * the disk, so that a power cut may take the last moments. One process at a time has the file.
 * @throws Error when another process has it, or when it is damaged: with the file and the offset
 */
export function fileStore(path: string): BotStore {
  let lock: DatabaseSync | undefined;
  let file: number | undefined;
  return {
    open() {
      lock = lockOf(path);
      try {
        const lines = readLines(path);
        file = openSync(path, 'a');
        return lines;
      } catch (error) {
        lock.close();
        throw error;
      }
    },
    append(line) {
      if (file !== undefined) writeSync(file, framed(line));
    },
    rewrite(lines) {
      if (file === undefined) return;
      const next = openSync(`${path}.next`, 'w');
      writeSync(next, lines.map(framed).join(''));
      renameSync(`${path}.next`, path);
      closeSync(file);
      file = next;
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
      lock?.close();
      lock = undefined;
    },
  };
}

/** Node has no lock on files that goes with its process; SQLite's exclusive one does, `kill -9` included. */
function lockOf(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`);
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock.close();
    throw new Error(`${path} is in use by another process; give each bot a file of its own`, { cause });
  }
}

/** The lines of the file; a half-written last one is cut off. */
function readLines(path: string): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const lines: string[] = [];
  let offset = 0;
  for (let end = bytes.indexOf('\n'); end >= 0; end = bytes.indexOf('\n', offset)) {
    const text = bytes.toString('utf8', offset, end);
    const line = text.slice(headChars);
    if (`${text}\n` !== framed(line)) {
      throw new Error(`${path} is damaged at byte ${offset}; move it away to let the bot start without its memory`);
    }
    lines.push(line);
    offset = end + 1;
  }
  if (offset < bytes.length) truncateSync(path, offset);
  return lines;
}

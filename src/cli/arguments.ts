import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { isHostPort } from '../config.ts';

/** Faster than this, a bot's steps come closer together than timers can tell apart. */
export const maxTimeScale = 1_000;

export function whole(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`give a whole number from ${least} to ${most}.`);
  };
}

export function between(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`give a number from ${least} to ${most}.`);
  };
}

/** Of an option that may be given several times. */
export const repeated = (value: string, before: string[] = []): string[] => [...before, value];

/** The text of a file. */
export function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(`it cannot be read: ${(error as Error).message}.`);
  }
}

/** Where something listens: `host:port`. */
export function hostPort(text: string): string {
  if (isHostPort(text)) return text;
  throw new InvalidArgumentError('give host:port, for example 127.0.0.1:7001.');
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const parseAge = (text: string): number | undefined => {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  return unit ? Number(count) * unitsMs[unit]! : undefined;
};

/** Milliseconds. */
export function ageMs(text: string): number {
  const ms = parseAge(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError('give an age such as 90s, 30m, 24h or 7d.');
}

/** An instant: as ISO 8601, or so long ago. */
export function instantOrAge(text: string): Date {
  const age = parseAge(text);
  const instant = age === undefined ? new Date(text) : new Date(Date.now() - age);
  if (!Number.isNaN(instant.getTime())) return instant;
  throw new InvalidArgumentError(
    'give an instant such as 2026-11-01T00:00:00Z, or an age such as 90s, 30m, 24h or 7d.',
  );
}

import { InvalidArgumentError } from 'commander';
import { isHostPort } from '../config.ts';

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

/** Where something listens: `host:port`. */
export function hostPort(text: string): string {
  if (isHostPort(text)) return text;
  throw new InvalidArgumentError('give host:port, for example 127.0.0.1:7001.');
}

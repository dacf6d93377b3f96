import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './cast.ts';
import { type CrashPoint, crashPoints } from './crash-points.ts';
import { choose, type Fault } from './fault.ts';
import type { ChaosMall } from './mall.ts';

/** A crash at the very first pass would often be the start of something; up to so many are let pass. */
const mostPassesBefore = 4;

/** What is to happen at the next pass of a crash point, whichever process it is in; in the file `armed` of the mall's directory. */
export interface Armed {
  readonly point: string;
  /** Passes of one process that do no harm yet. */
  readonly passesBefore: number;
  readonly how: 'kill' | 'lose the answer';
}

/** The armed file becomes the fired one. */
async function fire(mall: ChaosMall, armed: Armed, provokedBy: CrashPoint['provokedBy'], pick: number): Promise<void> {
  const [from, to] = [join(mall.directory, 'armed'), join(mall.directory, 'fired')];
  rmSync(to, { force: true });
  // At once: a process that looks sees all of it.
  writeFileSync(`${from}.new`, JSON.stringify(armed));
  renameSync(`${from}.new`, from);
  try {
    await provoke(mall, provokedBy, pick);
    await until(`a process passes "${armed.point}"`, () => existsSync(to), mall.signal);
  } finally {
    rmSync(from, { force: true });
    mall.cast.thaw();
  }
}

/** What is provoked comes once or a few times. */
const passesBefore = (provokedBy: CrashPoint['provokedBy'], pick: number) =>
  provokedBy ? 0 : Math.floor(pick * mostPassesBefore);

/** Kills the process that is next to pass the point, or one of the next. */
export const crashAt = (point: string, provokedBy?: CrashPoint['provokedBy']): Fault => ({
  name: `crash: ${point}`,
  async inflict(mall, pick) {
    const { cast, signal } = mall;
    const before = cast.deaths;
    await fire(mall, { point, passesBefore: passesBefore(provokedBy, pick), how: 'kill' }, provokedBy, pick);
    await until('the process is gone', () => cast.deaths > before, signal);
    return `${cast.lastDead} is killed`;
  },
});

/** What was asked for is done, and whoever asked believes that the server is away. */
const loseAnswerAt = (point: string, provokedBy: CrashPoint['provokedBy']): Fault => ({
  name: `answer lost: ${point}`,
  async inflict(mall, pick) {
    const how = 'lose the answer';
    await fire(mall, { point, passesBefore: passesBefore(provokedBy, pick), how }, provokedBy, pick);
    return 'one process';
  },
});

async function provoke(mall: ChaosMall, how: CrashPoint['provokedBy'], pick: number): Promise<void> {
  const { cast, wires } = mall;
  switch (how) {
    case undefined:
      return;
    case 'lost bots':
      return cast.freeze(choose(cast.named('bots'), pick));
    case 'cut bots':
      return wires.busiest.bots.cut();
    case 'drain':
      return cast.ask(wires.busiest.name, 'SIGTERM');
    default:
      how satisfies never;
  }
}

export const crashFaults: readonly Fault[] = [
  ...crashPoints.map(({ name, provokedBy }) => crashAt(name, provokedBy)),
  ...crashPoints.filter(({ isAnswer }) => isAnswer).map(({ name, provokedBy }) => loseAnswerAt(name, provokedBy)),
];

import type { ChaosMall } from './mall.ts';

export interface Fault {
  readonly name: string;
  /** Bots and hubs are back well before a lease is over: no task may lose its bot to it. */
  readonly keepsTasks?: boolean;
  /**
   * Resolves when the fault is over, which may be before the mall has got over it; answers with what was hit. `pick`, in [0, 1), decides
   * where there is a choice.
   * @throws NotInTime when something that has to follow from the fault does not, PromiseBroken when something else does
   */
  inflict(mall: ChaosMall, pick: number): Promise<string>;
}

/** After so many without a word the tasks of a bot are other bots': a lease, the time that a suspect task is held for, and a look. */
export const lossLeases = 2.4;
/** Longer than a lease, so that sessions and leases have run out, and shorter than what costs a bot its task. */
export const doubtLeases = 1.4;

export const choose = <T>(items: readonly T[], pick: number): T => items[Math.floor(pick * items.length)]!;

type Act = () => void | Promise<void>;

/** `disturb`, then `ms`, then `worsen` if there is more to come, then every wire and process is as before. */
export async function during(mall: ChaosMall, ms: number, disturb: Act, worsen: Act = () => {}): Promise<void> {
  try {
    await disturb();
    await mall.pass(ms);
    await worsen();
  } finally {
    mall.cast.thaw();
    await mall.wires.restore();
  }
}

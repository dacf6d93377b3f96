import type { Lane } from './closed-loop.ts';
import type { Step } from './frames.ts';

/** What the load is made of: a stream over a connection of its own, to a hub or to the raw server. A lane is its reports and their answers. */
export interface Bot extends Lane {
  /** Resolves when the server has answered; rejects when the stream ended before. `onLost` is called when it ends after that. */
  connect(address: string, onLost: () => void): Promise<void>;
  /** What `request` reports. */
  says(step: Step, sampled: boolean): void;
  /** Says that it lives. */
  beat(): void;
}

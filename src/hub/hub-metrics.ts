import type { SchemaRef } from '../gen/fleet/v1/fleet.ts';
import type { Counts } from './counts.ts';
import type { Intake } from './intake.ts';
import type { OutboundStatus } from './outflow.ts';
import type { Refusal } from './refusal.ts';
import type { SessionState } from './session.ts';
import type { TaskInput } from './task.ts';
import type { Task } from './task-phase.ts';

/** From the hub's side. */
export type Direction = 'receive' | 'transmit';

/** What a hub counts of itself; `instruments.ts` says under which names it is seen. None of it takes an id: those are for logs and spans. */
export interface HubMetrics {
  /** `type` is the case of the body. */
  frame(direction: Direction, type: string): void;
  /** Something that a bot said about a task had no effect, because the task is at a higher fence. */
  staleFence(): void;
  /** A task has changed, durably. */
  changed(before: Task, input: TaskInput['type'], after: Task): void;
  renewed(leases: number): void;
  /** A bot has said what it did in the revision: 'taken', or why it was refused. */
  said(schema: SchemaRef | undefined, outcome: 'taken' | Refusal['reason']): void;
  /** From the ingest of a task to its first offer, in the revision of that. */
  dispatched(schema: SchemaRef, afterMs: number): void;
  /** From the hand-over of a report to the broker to its confirm. */
  published(afterMs: number): void;
  /** From the arrival of a numbered frame to its acknowledgement. */
  acknowledged(afterMs: number): void;
  /** What is asked for at each collection. */
  watch(gauges: HubGauges): void;
}

export interface HubGauges {
  /** Those with a stream to this hub, and those that wait for their bot to come back to it. */
  readonly sessions: () => Iterable<SessionState['at']>;
  /** What waits of all bots. */
  readonly intake: Pick<Intake, 'status'>;
  /** What waits for all bots. */
  readonly outbound: () => OutboundStatus;
  /** What was refused, shed and ended. */
  readonly counts: Counts;
  /** Of the whole fleet, those that have not ended. */
  readonly tasks: () => Promise<ReadonlyMap<string, number>>;
}

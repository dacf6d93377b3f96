import { NackReason } from '../gen/fleet/v1/fleet.ts';
import type { HubBody } from './roster.ts';

/** Why a frame has no effect; `message` names the field, the value and the remedy. */
export interface Refusal {
  readonly reason: Exclude<keyof typeof NackReason, 'UNSPECIFIED'>;
  readonly message: string;
}

const reasonNames = new Map<number, string>(Object.entries(NackReason).map(([name, number]) => [number, name]));

/** For people and figures; reasons that this minor does not know are counted together, since who sends them chooses the number. */
export const nackReasonName = (reason: number): string => reasonNames.get(reason) ?? '_OTHER';

export const nackOf = (
  seq: number,
  { reason, message }: Refusal,
  about: { readonly taskId: string; readonly fence: number } = { taskId: '', fence: 0 },
): HubBody => ({
  $case: 'nack',
  value: { seq, reason: NackReason[reason], message, taskId: about.taskId, fence: about.fence },
});

/** States in which somebody has the task, and loses it when its time is over. */
export const heldStates = ['OFFERED', 'LEASED', 'RUNNING', 'SUSPECT', 'CANCELLING'] as const;
export const finalStates = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'POISON'] as const;
export const taskStates = ['QUEUED', ...heldStates, ...finalStates] as const;
export type FinalState = (typeof finalStates)[number];

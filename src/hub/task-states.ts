/** States in which somebody has the task. */
export const heldStates = ['OFFERED', 'LEASED', 'RUNNING'] as const;
export const finalStates = ['SUCCEEDED', 'FAILED', 'POISON'] as const;
export const taskStates = ['QUEUED', ...heldStates, ...finalStates] as const;
export type TaskState = (typeof taskStates)[number];

/** States in which somebody has the task. */
export const heldStates = ['OFFERED', 'LEASED', 'RUNNING'] as const;
const finalStates = ['SUCCEEDED', 'FAILED', 'POISON'] as const;
export const taskStates = ['QUEUED', ...heldStates, ...finalStates] as const;

/** What bot and hub say to each other about a task. */
export const parts = ['task', 'progress', 'result'] as const;
export type Part = (typeof parts)[number];

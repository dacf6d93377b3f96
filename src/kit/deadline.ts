/** Thrown when something took longer than it may. */
export class DeadlineExceeded extends Error {
  readonly deadlineMs: number;
  constructor(what: string, deadlineMs: number) {
    super(`${what} took longer than ${Math.round(deadlineMs)} ms`);
    this.name = 'DeadlineExceeded';
    this.deadlineMs = deadlineMs;
  }
}

/**
 * `work`'s outcome, or a DeadlineExceeded after `deadlineMs`. The work itself is not stopped: what it holds has to be let go by
 * whoever catches the error.
 */
export async function withDeadline<T>(what: string, deadlineMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineExceeded(what, deadlineMs)), deadlineMs);
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

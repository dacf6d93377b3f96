/** What the driver or the kernel said, without what libraries put around it: the message of the innermost cause, or its code. */
export function rootMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return rootMessage(error.cause);
  return error.message || String((error as NodeJS.ErrnoException).code ?? error.name);
}

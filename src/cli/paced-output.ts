import { once } from 'node:events';

/**
 * Aborts when `stop` does, or when a write finds that nobody reads standard output any more (`| head`): where nothing changes and so nothing is
 * written, that is at the next change. Before, Node does not tell: it asks after a pipe only while something waits to be written, and an empty
 * write to one without a reader succeeds, as does opening it once more.
 */
export function whileRead(stop: AbortSignal): AbortSignal {
  const unread = new AbortController();
  process.stdout.once('error', () => unread.abort());
  return AbortSignal.any([stop, unread.signal]);
}

/** Resolves when whoever reads standard output has taken enough of it for more. */
export async function writePaced(text: string, signal: AbortSignal): Promise<void> {
  if (process.stdout.write(text)) return;
  await once(process.stdout, 'drain', { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

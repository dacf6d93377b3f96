import { once } from 'node:events';

/** Aborts when `stop` does, or when nobody reads standard output any more (`| head`). */
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

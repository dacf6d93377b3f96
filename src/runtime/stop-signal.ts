/** Why a stop signal aborts when the parent is gone: whom it served is, too, and there is no time to lose. */
export const parentGone = new Error('the parent process is gone');

/**
 * Aborts when this process is asked to end: SIGINT, SIGTERM, or the death of the parent that it was spawned by with an IPC channel (so
 * that no child outlives a killed parent). A second SIGINT ends at once: somebody at a terminal has waited enough.
 */
export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  const ask = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted && signal === 'SIGINT') process.exit(130);
    stop.abort();
  };
  process.on('SIGINT', ask);
  process.on('SIGTERM', ask);
  if (process.connected) {
    process.once('disconnect', () => stop.abort(parentGone));
    // Listening alone is no reason to stay.
    process.channel?.unref();
  }
  return stop.signal;
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Runs `start`; when it rejects because `stop` aborted meanwhile, that is an order carried out: the process ends well. */
export async function startUnlessStopped(stop: AbortSignal, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (!stop.aborted || error !== stop.reason) throw error;
    // What was half open would keep the process.
    process.exit();
  }
}

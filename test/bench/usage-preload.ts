import { usage } from './usage.ts';
import { serve } from './worker.ts';

/** Imported before a program that knows nothing of the bench, so that it can be asked what it needs. */
const commands = { usage };

export type UsageCommands = typeof commands;

serve(commands);
// Listening alone is no reason to stay.
process.channel?.unref();

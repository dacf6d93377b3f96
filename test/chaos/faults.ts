import { crashFaults } from './crash-faults.ts';
import type { Fault } from './fault.ts';
import { messagesParked } from './park-messages.ts';
import { processFaults } from './process-faults.ts';
import { serverFaults } from './server-faults.ts';
import { wireFaults } from './wire-faults.ts';

/** All kinds. */
export const faults: readonly Fault[] = [
  ...wireFaults,
  ...processFaults,
  ...serverFaults,
  messagesParked,
  ...crashFaults,
];

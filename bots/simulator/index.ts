export { type FaultOptions, noFaults } from './faults.ts';
export { type Fleet, type FleetOptions, startFleet } from './fleet.ts';
export type { FleetEvent, FleetStats } from './fleet-event.ts';

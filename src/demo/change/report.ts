import type { JsonObject } from '@bufbuild/protobuf';
import type { ProtocolFacts } from '../../audit/protocol.ts';

/** What happened to the protocol, beside the orders: `protocol` in what `mallbots demo --protocol-change --json` prints. */
export interface ProtocolReport {
  readonly revisions: ReadonlyArray<{
    readonly kind: string;
    readonly revision: number;
    readonly digest: string;
    readonly state: string;
    /** Tasks that succeeded in it, and what bots said in it that is in the journal. */
    readonly tasks: number;
    readonly reports: number;
  }>;
  readonly rollouts: readonly RolloutTold[];
  /** What was not let in, and why. */
  readonly refused: readonly RefusedTold[];
  /** A field that no consumer was built with, in the journal by its name. */
  readonly newField: { readonly name: string; readonly reports: number };
  /** Of the kind that did not exist when the bots started. */
  readonly inspections: {
    readonly asked: number;
    readonly done: number;
    readonly bots: number;
    readonly results: readonly JsonObject[];
  };
  /** Only with --kill-hub: the share of the rollout when the hub was killed. */
  readonly hubKilledAtPercent?: number;
}

export interface RolloutTold {
  readonly kind: string;
  readonly revision: number;
  /** Shares that it went through, percent. */
  readonly percents: readonly number[];
  readonly outcome: 'PROMOTED' | 'ROLLED_BACK';
  readonly reason: string;
}

export interface RefusedTold {
  readonly kind: string;
  readonly violations: ReadonlyArray<{
    readonly rule: string;
    readonly file: string;
    readonly line: number;
    readonly field: string;
    readonly what: string;
    readonly breaks: string;
    readonly instead: string;
  }>;
}

/** What the story saw; the tables and the journal say the rest. */
export type ChangeTold = Pick<ProtocolReport, 'rollouts' | 'refused' | 'inspections' | 'hubKilledAtPercent'>;

export function protocolReport(
  told: ChangeTold,
  { revisions, pins, reports }: ProtocolFacts,
  newField: string,
): ProtocolReport {
  const { rollouts, refused, inspections, hubKilledAtPercent } = told;
  return {
    revisions: revisions.map(({ kind, revision, digest, state }) => ({
      ...{ kind, revision, digest, state },
      tasks: pins.filter((pin) => pin.digest === digest && pin.state === 'SUCCEEDED').length,
      reports: reports.filter((report) => report.digest === digest).length,
    })),
    rollouts,
    refused,
    newField: { name: newField, reports: reports.filter(({ said }) => says(said, newField)).length },
    inspections,
    ...(hubKilledAtPercent === undefined ? {} : { hubKilledAtPercent }),
  };
}

/** Whether a field of that name is in what was said, at any depth. */
const says = (said: JsonObject[string], name: string): boolean =>
  typeof said === 'object' &&
  said !== null &&
  (Object.hasOwn(said, name) || Object.values(said).some((value) => says(value, name)));

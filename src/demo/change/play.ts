import type { Violation } from '../../audit/checks.ts';
import { checkProtocol, type ProtocolFacts } from '../../audit/protocol.ts';
import { newId } from '../../contract/ids.ts';
import { createTelemetry } from '../../telemetry/setup.ts';
import type { DemoOptions } from '../options.ts';
import type { DemoReport } from '../report.ts';
import type { BotsOnStage } from '../stage.ts';
import { type ChangePorts, changeProtocol } from './change.ts';
import { type ChangeTold, protocolReport } from './report.ts';
import { newField } from './sources.ts';

/** They learn kinds that they were not made for, and half of them do not want the third revision of `shop`. */
export const changingFleet: Pick<BotsOnStage, 'generic' | 'rejects'> = {
  generic: true,
  rejects: { revisions: ['shop@3'], share: 0.5 },
};

export interface Changed {
  readonly told: ChangeTold;
  readonly violations: readonly Violation[];
}

type PlayPorts = Omit<ChangePorts, 'telemetry' | 'killHub'> & { readonly options: DemoOptions };

/** Changes the protocol while `letIn` lets shoppers in, as long as that goes on; whichever fails ends the other. */
export async function playChange(
  { options, ...ports }: PlayPorts,
  letIn: (goesOn: () => boolean, signal: AbortSignal) => Promise<number>,
): Promise<{ placed: number; change: Changed | undefined }> {
  const failing = new AbortController();
  const signal = AbortSignal.any([ports.signal, failing.signal]);
  const telemetry = createTelemetry({ ...ports.stage.config, role: 'facility', instanceId: newId() });
  let isChanging = true;
  const changing = changeProtocol({ ...ports, telemetry, killHub: options.killHub ?? false, signal }).finally(() => {
    isChanging = false;
  });
  const visiting = letIn(() => isChanging, signal);
  try {
    const [change, placed] = await Promise.all([changing, visiting]);
    return { placed, change };
  } catch (error) {
    failing.abort(error);
    // Out of time: the audit says what has not ended.
    if (!ports.signal.aborted) throw error;
    return { placed: ports.placed(), change: undefined };
  } finally {
    await telemetry.shutdown();
  }
}

/** The demo's report with what happened to the protocol; the only process that may have died is the hub that the demo has killed itself. */
export function judgeChange(
  report: DemoReport,
  facts: ProtocolFacts,
  change: Changed | undefined,
  deaths: number,
): DemoReport {
  const violations: Violation[] = [...report.violations, ...checkProtocol(facts), ...(change?.violations ?? [])];
  if (!change) {
    const message = 'it was not done in time';
    return { ...report, violations: [...violations, { rule: 'the protocol changes', subject: 'shop', message }] };
  }
  const killed = change.told.hubKilledAtPercent === undefined ? 0 : 1;
  if (deaths !== killed) {
    const message = `${deaths} processes have died, ${killed} of them on purpose`;
    violations.push({ rule: 'nothing is restarted', subject: 'processes', message });
  }
  const protocol = protocolReport(change.told, facts, newField);
  if (protocol.newField.reports === 0) {
    const message = `nobody has heard of ${newField}`;
    violations.push({ rule: 'a new field is seen downstream', subject: 'shop', message });
  }
  return { ...report, violations, protocol };
}

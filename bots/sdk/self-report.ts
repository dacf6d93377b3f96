import type { Hello } from '../../src/gen/fleet/v1/fleet.ts';
import type { Assignments } from './assignments.ts';
import type { BotOptions } from './bot-options.ts';
import type { Credits } from './credits.ts';
import type { Language } from './language.ts';
import type { LeaseClock } from './lease-clock.ts';
import { type BotLogger, silentLogger } from './logger.ts';
import { ATTR_BOT_ID } from './spans.ts';
import type { LossyBody } from './uplink.ts';

export interface SelfReportPorts {
  readonly instanceId: string;
  readonly bootCount: number;
  readonly language: Language;
  readonly credits: Credits;
  /** Kinds that have no handler of their own are served too. */
  readonly anyKind: boolean;
  readonly assignments: Assignments;
  readonly clock: LeaseClock;
}

/** What the bot says about itself: in the handshake, at each heartbeat, in telemetry. */
export class SelfReport {
  readonly #options: BotOptions;
  readonly #ports: SelfReportPorts;
  readonly #logger: BotLogger;

  constructor(options: BotOptions, ports: SelfReportPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#logger = options.logger ?? silentLogger;
  }

  /** `resume` is what is left of the session before. */
  hello(resume: { readonly token: Uint8Array; readonly lastHubSeq: number }): Hello {
    const { instanceId, bootCount, language, credits, anyKind, assignments, clock } = this.#ports;
    const kinds = language.support();
    clock.sayHello();
    return {
      botId: this.#options.botId,
      instanceId,
      bootCount,
      resumeToken: Buffer.from(resume.token),
      lastHubSeq: resume.lastHubSeq,
      envelope: { minMinor: 0, maxMinor: 0 },
      features: [],
      kinds,
      credits: kinds.map(({ kind }) => ({ kind, amount: credits.of(kind) })),
      heldTasks: assignments.held(),
      position: this.#read('position'),
      anyKind,
    };
  }

  heartbeat(): LossyBody {
    const value = {
      sentAt: this.#ports.clock.beat(),
      position: this.#read('position'),
      battery: this.#read('battery') ?? 1,
      heldTasks: this.#ports.assignments.held(),
    };
    return { $case: 'heartbeat', value };
  }

  telemetry(gauges: Record<string, number>): LossyBody {
    const value = { sampledAt: new Date(), position: this.#read('position'), gauges };
    return { $case: 'telemetry', value };
  }

  /** A sensor that fails must not keep the bot from renewing its leases. */
  #read<S extends 'position' | 'battery'>(sensor: S): ReturnType<NonNullable<BotOptions[S]>> | undefined {
    try {
      return this.#options[sensor]?.() as ReturnType<NonNullable<BotOptions[S]>>;
    } catch (error) {
      this.#logger.warn({ [ATTR_BOT_ID]: this.#options.botId, sensor, err: error }, 'a sensor could not be read');
      return undefined;
    }
  }
}

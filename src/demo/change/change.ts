import type { Violation } from '../../audit/checks.ts';
import { MallError } from '../../contract/errors.ts';
import type { SchemaRef } from '../../gen/fleet/v1/fleet.ts';
import { type Kind, type Ramp, RevisionState, type Rollout, RolloutOutcome } from '../../gen/protocol/v1/protocol.ts';
import { pause } from '../../kit/backoff.ts';
import type { Telemetry } from '../../telemetry/setup.ts';
import type { Mall } from '../mall.ts';
import type { Narrator } from '../narrator.ts';
import type { Stage } from '../stage.ts';
import { Facility } from './inspections.ts';
import { Operator } from './operator.ts';
import type { ChangeTold, RefusedTold, RolloutTold } from './report.ts';
import { type CompiledSource, compiled, inspectSource, shopSources } from './sources.ts';

interface Plan {
  /** The first share; those that follow it are in the ramp. */
  readonly percent: number;
  readonly ramp: Ramp;
}
/** A demo has no hours: each share lasts a second at least and needs an attempt or two. What such numbers cannot show the gates say by waiting. */
const cautious: Plan = {
  percent: 10,
  ramp: { percents: [50, 100], step: { seconds: 1, nanos: 0 }, minAttempts: 2 },
};
const bold: Plan = { percent: 25, ramp: { percents: [100], step: { seconds: 1, nanos: 0 }, minAttempts: 1 } };
const wantedInspections = 6;
/** Between two looks at how a rollout is doing. ms */
const lookEveryMs = 200;
/** Orders that come in after the last change, in the language that is left. */
const ordersAfter = 3;

export interface ChangePorts {
  readonly stage: Stage;
  readonly mall: Mall;
  readonly narrator: Narrator;
  readonly telemetry: Telemetry;
  /** A hub is killed in the middle of the first ramp. */
  readonly killHub: boolean;
  /** Orders that were placed by now. */
  readonly placed: () => number;
  readonly signal: AbortSignal;
}

/**
 * Changes what bots and hubs say to each other while orders flow: a field more, a kind that nobody has heard of, a revision that breaks, one that bots
 * reject, and the end of the first one. What comes otherwise than it should is a violation; the rest is for the audit.
 */
export async function changeProtocol(ports: ChangePorts): Promise<{ told: ChangeTold; violations: Violation[] }> {
  const operator = new Operator(ports.stage.hubAddresses, ports.telemetry, ports.signal);
  try {
    const change = new Change(ports, operator);
    const better = await change.tryOut(await compiled(shopSources.better()), cautious, 'PROMOTED', ports.killHub);
    const inspections = await change.addKind(await compiled(inspectSource));
    const refused = await change.isRefused(await compiled(shopSources.breaking()));
    const unwelcome = await change.tryOut(await compiled(shopSources.unwelcome()), bold, 'ROLLED_BACK', false);
    await change.retireFirst();
    const { hubKilledAtPercent, violations } = change;
    const told = { rollouts: [better, unwelcome], refused: [refused], inspections };
    return {
      told: hubKilledAtPercent === undefined ? told : { ...told, hubKilledAtPercent },
      violations,
    };
  } finally {
    operator.close();
  }
}

class Change {
  readonly #ports: ChangePorts;
  readonly #operator: Operator;
  readonly violations: Violation[] = [];
  hubKilledAtPercent: number | undefined;

  constructor(ports: ChangePorts, operator: Operator) {
    this.#ports = ports;
    this.#operator = operator;
  }

  /** Publishes it and tries it on some bots; the hub leads it to its end by itself. */
  async tryOut(
    source: CompiledSource,
    { percent, ramp }: Plan,
    expected: RolloutTold['outcome'],
    killsHub: boolean,
  ): Promise<RolloutTold> {
    const schema = await this.#publish(source);
    await this.#operator.canary(schema, percent, ramp, source.reason);
    this.#say(`tries ${nameOf(schema)} on ${percent} % of the bots`);
    const told = await this.#follow(schema, killsHub);
    if (told.outcome !== expected) {
      const message = `it is ${told.outcome} and not ${expected}: ${told.reason}`;
      this.violations.push({ rule: 'a rollout ends as its revision deserves', subject: schema.digest, message });
    }
    return told;
  }

  async addKind(source: CompiledSource): Promise<ChangeTold['inspections']> {
    const { stage, mall, narrator, telemetry, signal } = this.#ports;
    const schema = await this.#publish(source);
    await this.#operator.change('activate', schema, source.reason);
    this.#say(`gives ${nameOf(schema)} to every bot`);
    const facility = new Facility(stage.backends.broker, telemetry, schema, source);
    await facility.connect();
    const stores = Array.from({ length: wantedInspections }, (_, index) => mall.stores[index % mall.stores.length]!);
    const taskIds = await Promise.all(stores.map((store) => facility.ask(store)));
    narrator.say('facility', `asks for ${taskIds.length} inspections, which is no task that a bot was made for`);
    const done = [];
    for await (const { botId, result } of facility.results(taskIds, signal)) {
      done.push({ botId, result });
      narrator.say(botId, `has inspected ${result.storeName}: ${result.tidy ? 'tidy' : 'untidy'}`);
    }
    const { length: asked } = taskIds;
    if (done.length < asked) {
      const message = `${done.length} of ${asked} inspections have a result`;
      this.violations.push({ rule: 'a new kind gets its results', subject: schema.digest, message });
    }
    const bots = new Set(done.map(({ botId }) => botId)).size;
    return { asked, done: done.length, bots, results: done.map(({ result }) => result) };
  }

  async isRefused(source: CompiledSource): Promise<RefusedTold> {
    const { kind, reason } = source;
    this.#say(`publishes ${kind} once more: ${reason}`);
    const { revision, violations } = await this.#operator.publish(source);
    for (const { file, line, message, field, what, why } of violations)
      this.#ports.narrator.say('hub', `refuses it: ${file}:${line} ${message}.${field}: ${what}; ${why}`);
    if (revision) {
      const message = `revision ${revision.revision} is published and breaks others`;
      this.violations.push({ rule: 'what breaks is not published', subject: revision.digest, message });
    }
    return {
      kind,
      violations: violations.map(({ rule, file, line, message, field, what, breaks, instead }) => ({
        ...{ rule, file, line, field: `${message}.${field}`, what, breaks, instead },
      })),
    };
  }

  /** Nobody needs revision 1 of shop any more, once the last task of it is done. */
  async retireFirst(): Promise<void> {
    const { narrator, placed, signal } = this.#ports;
    const { revisions } = await this.#operator.kind('shop');
    const { revision, digest } = revisions[0]!;
    const schema = { kind: 'shop', revision, digest };
    await this.#operator.change('deprecate', schema, 'every bot has a newer one');
    this.#say(`deprecates ${nameOf(schema)}`);
    for (let told = ''; ; ) {
      const blocks = await this.#retire(schema);
      if (blocks === undefined) break;
      if (blocks !== told) narrator.say('hub', `keeps it for now: ${blocks}`);
      told = blocks;
      await pause(lookEveryMs, signal);
    }
    this.#say(`retires ${nameOf(schema)}`);
    const before = placed();
    while (placed() < before + ordersAfter) {
      signal.throwIfAborted();
      await pause(lookEveryMs, signal);
    }
  }

  /** Why that cannot be yet; undefined when it is done. */
  async #retire(schema: SchemaRef): Promise<string | undefined> {
    try {
      await this.#operator.change('retire', schema, 'nobody needs it');
      return undefined;
    } catch (error) {
      if (error instanceof MallError && error.detail.reason === 'STILL_NEEDED') return error.message;
      throw error;
    }
  }

  async #publish(source: CompiledSource): Promise<SchemaRef> {
    const { kind, reason } = source;
    const { revision, violations } = await this.#operator.publish(source);
    if (!revision)
      throw new Error(`${kind} is refused: ${violations.map(({ what, why }) => `${what}: ${why}`).join('; ')}`);
    const schema = { kind, revision: revision.revision, digest: revision.digest };
    this.#say(`publishes ${nameOf(schema)}: ${reason}`);
    return schema;
  }

  async #follow(schema: SchemaRef, killsHub: boolean): Promise<RolloutTold> {
    const { narrator, stage, signal } = this.#ports;
    const percents: number[] = [];
    for (;;) {
      const kind = await this.#operator.kind(schema.kind);
      const rollout = kind.rollout!;
      const { percent, outcome } = rollout;
      const isOver = outcome !== RolloutOutcome.UNSPECIFIED;
      if (percent !== percents.at(-1)) {
        percents.push(percent);
        if (percents.length > 1) narrator.say('hub', `${nameOf(schema)} goes to ${percent} % of the bots`);
        if (killsHub && !isOver && percents.length === 2 && stage.killHub()) {
          narrator.say('demo', `kills a hub while ${nameOf(schema)} is at ${percent} %`);
          this.hubKilledAtPercent = percent;
        }
      }
      if (isOver) return this.#over(schema, kind, rollout, percents);
      await pause(lookEveryMs, signal);
    }
  }

  #over(schema: SchemaRef, { revisions }: Kind, rollout: Rollout, percents: readonly number[]): RolloutTold {
    const { kind, revision, digest } = schema;
    const { state } = revisions.find((each) => each.digest === digest)!;
    const outcome = rollout.outcome === RolloutOutcome.PROMOTED ? 'PROMOTED' : 'ROLLED_BACK';
    const what = state === RevisionState.ACTIVE ? 'makes it the language of all bots' : 'takes it back';
    this.#ports.narrator.say('hub', `${nameOf(schema)}: ${what}: ${rollout.reason}`);
    return { kind, revision, percents, outcome, reason: rollout.reason };
  }

  #say(what: string): void {
    this.#ports.narrator.say('operator', what);
  }
}

const nameOf = ({ kind, revision }: SchemaRef): string => `${kind} revision ${revision}`;

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type Accept,
  type Bot,
  connectBot,
  defineKind,
  fileStore,
  genericKind,
  returnKind,
  shopKind,
} from '../../../bots/sdk/index.ts';
import { canonicalDescriptorSet, schemaDigest } from '../../../src/contract/descriptor-set.ts';
import { MallError } from '../../../src/contract/errors.ts';
import { RevisionStatus, type SchemaRef } from '../../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { RegistryService } from '../../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { descriptorsOf, shopRevision } from './shop-revision.ts';

const patient = { timeout: 30_000, interval: 50 };
const { watchStatus: _, ...unary } = RegistryService;
const by = 'tester';
/** A check runs buf, which has to wait for a processor where others are at work. */
const deadlineMs = 60_000;
/** Of publishing what a hub holds. ms */
const preparationMs = 180_000;
const numbers = [1, 2, 3] as const;

/** Canonical, as a hub has it and a program is built with it. */
const sets = new Map<number, Uint8Array>([[1, Buffer.from(kinds.shop.fileDescriptorSet, 'base64')]]);
const schemaOf = (revision: number): SchemaRef => ({
  kind: 'shop',
  revision,
  digest: schemaDigest(sets.get(revision)!),
});
beforeAll(async () => {
  for (const revision of [2, 3, 4, 5, 6, 7]) {
    sets.set(revision, canonicalDescriptorSet(await descriptorsOf(shopRevision(revision))));
  }
}, preparationMs);

const done = async () => ({ lines: [{ lineId: 'l', picked: 1, short: 0 }], walkedMetres: 1 });
const returns = returnKind.serve(async () => ({ lines: [], walkedMetres: 1 }));
/** Generated for a revision of `shop`. */
const built = (revision: number) =>
  defineKind({
    ...{ ...shopKind, ...schemaOf(revision) },
    fileDescriptorSet: Buffer.from(sets.get(revision)!).toString('base64'),
  }).serve(done);

const programs = {
  'learns what it is taught': (revision: number) => ({ kinds: [built(revision), returns] }),
  'wants its own revision and no other': (revision: number) => ({
    kinds: [built(revision), returns],
    accept: (({ kind, digest }) =>
      kind !== 'shop' ||
      digest === schemaOf(revision).digest ||
      `revision ${revision} is all that it speaks`) as Accept,
  }),
  'has nothing but descriptors': () => ({ kinds: [genericKind('shop').serve(done), returns] }),
} as const;
type Program = keyof typeof programs;

/** A hub of whose revisions the newest is ACTIVE, the one before it DEPRECATED and all earlier ones RETIRED. */
class Holding {
  readonly fleet: Fleet;
  readonly client: ReturnType<typeof connectClient<typeof unary>>;

  private constructor(fleet: Fleet) {
    this.fleet = fleet;
    this.client = connectClient(unary, fleet.hub.address, fleet.telemetry);
  }

  static async of(revision: number): Promise<Holding> {
    const holding = new Holding(await startFleet());
    const guide = holding.connect('guide', programs['has nothing but descriptors']());
    await guide.ready();
    for (let next = 2; next <= revision; next++) await holding.move(next, guide);
    await guide.kill();
    await vi.waitFor(async () => expect(await holding.fleet.bots({ connectedOnly: true })).toEqual([]), patient);
    return holding;
  }

  connect(botId: string, program: Pick<Parameters<typeof connectBot>[0], 'kinds' | 'accept' | 'store'>): Bot {
    return connectBot({ hub: this.fleet.hub.address, botId, ...program });
  }

  /** `guide` speaks all of them, so that there is always somebody who could do the work. */
  async move(revision: number, guide: Bot): Promise<void> {
    const fileDescriptorSet = Buffer.from(sets.get(revision)!);
    const asked = { kind: 'shop', fileDescriptorSet, sources: [], by, reason: '', draft: false };
    expect((await this.client.api.publish(asked, { deadlineMs })).violations).toEqual([]);
    await this.change('activate', revision);
    await this.change('deprecate', revision - 1);
    const { digest } = schemaOf(revision);
    // Outside of a test there is no expect.poll.
    await vi.waitFor(async () => {
      expect(guide.revisions.get('shop')).toContain(digest);
      expect((await this.standing(revision)).bots).toMatchObject([{ status: RevisionStatus.APPLIED, bots: 1 }]);
    }, patient);
    if (revision > 2) await this.change('retire', revision - 2);
  }

  /** Looks again where the hub has moved a revision meanwhile: one that nobody works in any more becomes DRAINED by itself. */
  async change(what: 'activate' | 'deprecate' | 'retire', revision: number): Promise<void> {
    const basedOn = (await this.client.api.list({ kind: 'shop' })).kinds[0]!.version;
    try {
      await this.client.api[what]({ digest: schemaOf(revision).digest, basedOn, by, reason: '' });
    } catch (error) {
      if (!(error instanceof MallError && error.code === 'ABORTED')) throw error;
      await this.change(what, revision);
    }
  }

  async standing(revision: number) {
    const { kinds: known } = await this.client.api.getStatus({ kind: 'shop' });
    return known[0]!.revisions.find((each) => each.revision!.revision === revision)!;
  }

  /** The revision that a task of the bot is reported in. */
  async workOf(botId: string): Promise<number | undefined> {
    const { orderId } = await this.fleet.request({ onlyBotId: botId });
    const { body } = await this.fleet.until(orderId, (all) => all.find(({ name }) => name === 'bots.task_succeeded'));
    return (body as { original?: { schema?: SchemaRef } }).original?.schema?.revision;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await this.fleet[Symbol.asyncDispose]();
  }
}

type Outcome = number | 'rejects what it is offered' | 'is told that all it speaks is retired';

function expected(program: Program, bot: number, hub: number): Outcome {
  if (program !== 'wants its own revision and no other') return hub;
  if (bot > hub) return 'rejects what it is offered';
  return hub - bot > 1 ? 'is told that all it speaks is retired' : bot;
}

const pairs = numbers.flatMap((bot) => (Object.keys(programs) as Program[]).map((program) => [bot, program] as const));

describe.each(numbers)('at a hub that holds revision %i', (hub) => {
  let holding: Holding;
  beforeAll(async () => {
    holding = await Holding.of(hub);
  }, preparationMs);
  afterAll(() => holding?.[Symbol.asyncDispose]());

  it.each(pairs)(
    'a bot of revision %i that %s does its work, or is refused and says why',
    async (revision, program) => {
      // Each its own: a bot that has been here goes on with its session, and with the task that nobody did.
      const botId = `bot-${revision}-that-${program.replaceAll(' ', '-')}`;
      const outcome = expected(program, revision, hub);
      const bot = holding.connect(botId, programs[program](revision));
      const retired: string[] = [];
      bot.on('retired', ({ kind, message }) => retired.push(`${kind}: ${message}`));
      await bot.ready();
      if (typeof outcome === 'number') {
        await expect.poll(() => bot.revisions.get('shop')?.includes(schemaOf(outcome).digest), patient).toBe(true);
        // What it has just learned has been told to the hub by the time that a task is done in it.
        await expect.poll(() => holding.workOf(botId), patient).toBe(outcome);
      } else {
        const reason = `revision ${revision} is all that it speaks`;
        await expect
          .poll(async () => (await holding.standing(hub)).rejections, patient)
          .toMatchObject([{ reason, bots: 1 }]);
        if (outcome === 'is told that all it speaks is retired') {
          const told = `shop: of shop the bot has applied revision ${revision}, which is RETIRED; in use is revision ${hub}`;
          await expect.poll(() => retired, patient).toEqual([told]);
        }
        // It is offered no task of that kind, and does what it can do.
        const { taskId, orderId } = await holding.fleet.request({ onlyBotId: botId });
        const schema = { kind: 'return', revision: 1, digest: kinds.return.digest };
        const other = await holding.fleet.request({ schema, onlyBotId: botId });
        await holding.fleet.until(other.orderId, (all) => all.find(({ name }) => name === 'bots.task_succeeded'));
        const task = (await holding.fleet.tasks()).find((each) => each.taskId === taskId)!;
        expect([task.attempt, task.botId, holding.fleet.said(orderId)]).toEqual([1, '', []]);
        expect(bot.state).toMatchObject({ at: 'ready', epoch: 1 });
        await holding.fleet.requestCancel({ taskId, orderId }, 'nobody could do it');
      }
      await bot.kill();
      await holding.fleet.disconnected(botId);
    },
  );
});

describe('a bot that comes back after a week', () => {
  it(
    'is brought up to date in its handshake, through all that it has missed, and does its next task in the newest',
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'mallbots-week-'));
      const program = () => ({
        ...programs['learns what it is taught'](1),
        store: fileStore(join(directory, 'bot')),
      });
      await using holding = await Holding.of(2);
      try {
        const before = holding.connect('traveller', program());
        await before.ready();
        await expect.poll(() => holding.workOf('traveller'), patient).toBe(2);
        await before.kill();
        await holding.fleet.disconnected('traveller');

        const guide = holding.connect('guide', programs['has nothing but descriptors']());
        await guide.ready();
        for (const revision of [3, 4, 5, 6, 7]) await holding.move(revision, guide);

        const after = holding.connect('traveller', program());
        const statuses: number[] = [];
        after.on('revision', ({ schema }) => statuses.push(schema!.revision));
        await after.ready();
        await expect.poll(() => after.revisions.get('shop'), patient).toEqual([schemaOf(7).digest]);
        expect(await holding.workOf('traveller')).toBe(7);
        // Of what came and went it hears nothing: only of what is in use.
        expect(new Set(statuses)).toEqual(new Set([7]));
        await Promise.all([after.kill(), guide.kill()]);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
    preparationMs,
  );
});

import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { GetBotRequest, ListTasksRequest, NackReason, Outcome, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { flood } from '../chaos/flood.ts';
import { mallTimeoutMs } from '../support/program.ts';
import { describeWithPostgres, describeWithRabbitMq } from '../support/services.ts';
import { askForTask } from './fleet.ts';
import { type HubProcess, type HubProcesses, startHubProcesses } from './hub-processes.ts';
import { type Assignment, picked, RawBot, type RawHello } from './raw-bot.ts';

const patient = { timeout: 60_000, interval: 50 };
/** Nobody is to lose a lease to a busy machine here. */
const leaseMs = 10_000;
/** Little fills it; what is kept for a bot that comes back is twice as much. */
const maxQueuedFrames = 64;
const maxQueuedBytes = 200_000;
/** Less than what so many slow bots may have by their own bounds. */
const slowBots = 5;
const maxUnsentFrames = 100;
const maxUnsentBytes = 800_000;
/** grpc-js takes so many messages before it says that it is full. */
const inGrpcJs = 16;
/** More than the windows of a connection take, together with one more. */
const payload = Buffer.from(
  ShopTask.encode(ShopTask.fromPartial({ orderId: 'o', stops: [{ storeName: 'x'.repeat(60_000) }] })).finish(),
);
/** As many tasks as one bot may hold. */
const mostTasks = 64;
/** Few enough that a slow machine keeps up with them. */
const taskCount = 12;
const credits = [{ kind: 'shop', amount: mostTasks }];
const rounds = 200;

describeWithRabbitMq(
  'a hub process with a bot that costs it more than others, on RabbitMQ',
  {
    timeout: mallTimeoutMs,
  },
  () => {
    describeWithPostgres('and PostgreSQL', () => {
      let mall: HubProcesses;
      /** All else is the same at the other one. */
      let hub: HubProcess;
      let quietHub: HubProcess;
      /** Has less room for what all of its bots do not read. */
      let narrowHub: HubProcess;
      beforeAll(async () => {
        const limits = {
          MALLBOTS_HUB_LEASE_MS: String(leaseMs),
          MALLBOTS_HUB_MAX_QUEUED_FRAMES: String(maxQueuedFrames),
          MALLBOTS_HUB_MAX_QUEUED_BYTES: String(maxQueuedBytes),
        };
        const narrow = {
          MALLBOTS_HUB_MAX_UNSENT_FRAMES: String(maxUnsentFrames),
          MALLBOTS_HUB_MAX_UNSENT_BYTES: String(maxUnsentBytes),
        };
        mall = await startHubProcesses(3, limits, { 2: narrow });
        [hub, quietHub, narrowHub] = mall.hubs as [HubProcess, HubProcess, HubProcess];
      }, mallTimeoutMs);
      afterAll(() => mall?.[Symbol.asyncDispose](), mallTimeoutMs);

      const status = (of = hub) => of.admin.getHubStatus({});
      const counted = async (name: string, reason: string, of = hub) =>
        (await status(of)).counts.find((count) => count.name === name && count.reason === reason)?.value ?? 0;
      const viewOf = ({ hello: { botId } }: RawBot) => hub.admin.getBot(GetBotRequest.fromPartial({ botId }));
      const tasksOf = async ({ hello: { botId } }: RawBot) => {
        const { tasks } = await hub.admin.listTasks(ListTasksRequest.fromPartial({ openOnly: true, pageSize: 1_000 }));
        return tasks.filter((task) => [task.botId, task.onlyBotId].includes(botId));
      };

      function raw(at: HubProcess, hello: RawHello = {}): RawBot {
        const bot = new RawBot(at.address, hello);
        onTestFinished(() => bot.cut());
        return bot;
      }

      const askFor = (count: number, { hello: { botId } }: RawBot, more: { payload?: Buffer } = {}) =>
        Promise.all(Array.from({ length: count }, () => askForTask(mall.broker, { onlyBotId: botId, ...more })));

      /** It beats for what is in `held` at the time. */
      async function slowBot(
        held: readonly Assignment[] = [],
        at = hub,
      ): Promise<{ bot: RawBot; resumeToken: Buffer }> {
        const bot = raw(at, { credits });
        const { resumeToken } = await bot.welcomed();
        bot.keepBeating(held);
        return { bot, resumeToken: Buffer.from(resumeToken) };
      }

      /** Reports one step after the other, each when the one before is acknowledged, until `isEnough`; answers with how many. */
      async function reporting(at: HubProcess, isEnough: () => boolean, onRound: () => void): Promise<number> {
        const bot = raw(at);
        await bot.welcomed();
        await askFor(1, bot);
        const task = await bot.lease();
        bot.keepBeating([task]);
        let done = 0;
        while (!isEnough()) {
          await bot.acknowledged(bot.progress(task, picked(), { started: done === 0 }));
          done += 1;
          onRound();
        }
        await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED }));
        return done;
      }

      /** Of the steps that two bots can report in the same time, those of the one at the hub that has the costly bot. */
      async function shareOfHub(costly = hub): Promise<number> {
        let all = 0;
        const count = () => {
          all += 1;
        };
        const isEnough = () => all >= rounds;
        const [here] = await Promise.all([costly, quietHub].map((at) => reporting(at, isEnough, count)));
        return here! / all;
      }

      const offeredTo = async (bot: RawBot) => (await tasksOf(bot)).filter(({ state }) => state === 'OFFERED').length;

      /** Resolves when neither their ends nor the hub's take any more. */
      async function haveTakenAll(bots: readonly RawBot[], at = hub): Promise<void> {
        let unsent = 0;
        const isFull = async () => {
          const before = unsent;
          const { unsentBytes, slowStreams } = await status(at);
          unsent = unsentBytes;
          return unsent > 0 && unsent === before && slowStreams === bots.length;
        };
        await expect.poll(isFull, { ...patient, interval: 500 }).toBe(true);
      }

      /** Accepts what it is offered, also what has been withdrawn meanwhile. */
      async function acceptAll(bot: RawBot): Promise<void> {
        const isOver = bot.status.then(() => undefined);
        for (;;) {
          const offer = await Promise.race([bot.next('offer').catch(() => undefined), isOver]);
          if (!offer) return;
          bot.reply(offer.value, true);
        }
      }

      it('offers a bot that does not read no more than its bound, leaves the others alone, and goes on when it reads', async () => {
        const { bot } = await slowBot();
        bot.stopReading();
        const asked = await askFor(mostTasks, bot, { payload });
        await expect.poll(async () => (await tasksOf(bot)).length, patient).toBe(mostTasks);
        await haveTakenAll([bot]);

        // For as long as it lasts, however much there is to tell.
        const share = await shareOfHub();
        const { unsentFrames, unsentBytes, slowStreams } = await status();
        expect(slowStreams).toBe(1);
        expect(unsentFrames).toBeLessThanOrEqual(maxQueuedFrames);
        expect(unsentBytes).toBeGreaterThanOrEqual(maxQueuedBytes);
        expect(unsentBytes).toBeLessThan(maxQueuedBytes + payload.length);
        // With what its own end has taken: some 16 messages, and the windows.
        expect(await offeredTo(bot)).toBeLessThan(mostTasks / 2);
        expect(share).toBeGreaterThan(1 / 4);

        bot.readOn();
        const isDone = (orderId: string) => mall.heard.of(orderId).some(({ name }) => name === 'bots.task_succeeded');
        void acceptAll(bot);
        for (const _ of asked) {
          const { value: task } = await bot.next('lease');
          bot.progress(task, undefined, { started: true });
          await bot.acknowledged(bot.result(task, { outcome: Outcome.SUCCEEDED }));
        }
        await mall.heard.until(() => asked.every(({ orderId }) => isDone(orderId)) || undefined);
        expect(await tasksOf(bot)).toEqual([]);
        expect((await viewOf(bot)).epoch).toBe(1);
        expect(await status()).toMatchObject({ unsentFrames: 0, unsentBytes: 0, slowStreams: 0 });
      });

      it('ends the stream of a bot that does not read what cannot wait, and tells it all of that when it is back', async () => {
        const leased: Assignment[] = [];
        const { bot, resumeToken } = await slowBot(leased);
        for (const _ of await askFor(taskCount, bot)) leased.push(await bot.lease());
        bot.stopReading();
        await askFor(mostTasks - taskCount, bot, { payload });
        await haveTakenAll([bot]);
        const before = await counted('mallbots.hub.sessions.closed', 'CONSUMER_TOO_SLOW');
        for (const { taskId } of leased) await hub.admin.cancelTask({ taskId, reason: 'the shop is on fire' });
        for (let n = 0; n < maxQueuedFrames + 2 * inGrpcJs; n++) bot.send(undefined);
        await expect.poll(() => counted('mallbots.hub.sessions.closed', 'CONSUMER_TOO_SLOW'), patient).toBe(before + 1);
        expect(await viewOf(bot)).toMatchObject({ sessionState: 'DETACHED', connected: false, epoch: 1 });
        expect(await status()).toMatchObject({ unsentFrames: 0, unsentBytes: 0, slowStreams: 0 });
        bot.readOn();
        // RESOURCE_EXHAUSTED; or UNAVAILABLE, where it takes so long to read it that its connection is cut.
        expect([8, 14]).toContain((await bot.status).code);

        const { botId, instanceId } = bot.hello;
        const heldTasks = leased.map((task) => ({ ...task, finished: false }));
        const back = raw(hub, { botId, instanceId, resumeToken, lastHubSeq: bot.seen, heldTasks, credits: [] });
        const { resumed, epoch, verdicts, lastBotSeq } = await back.welcomed();
        back.seq = lastBotSeq;
        expect({ resumed, epoch }).toEqual({ resumed: true, epoch: 2 });
        expect(new Set(verdicts.map(({ verdict }) => verdict))).toEqual(new Set([Verdict.CONTINUE]));
        back.keepBeating(leased);
        // What it was being told when its stream ended it is told now, and the rest it had seen.
        const seen = bot.frames.filter(({ body }) => body?.$case === 'cancel').length;
        const cancelled = new Set<string>();
        while (cancelled.size < leased.length - seen) cancelled.add((await back.next('cancel')).value.taskId);
        for (const { taskId, fence } of leased)
          back.send({ $case: 'cancelReply', value: { taskId, fence, stopped: true } });
        await back.acknowledged(back.seq);
        const open = await tasksOf(back);
        expect(open.map(({ state }) => state)).toEqual(Array(mostTasks - taskCount).fill('QUEUED'));
        for (const { taskId } of open) await hub.admin.cancelTask({ taskId, reason: 'the shop is on fire' });
      });

      it('keeps what many bots do not read within a bound for all, ends the streams that have most, and leaves the others alone', async () => {
        const slow = await Promise.all(Array.from({ length: slowBots }, () => slowBot([], narrowHub)));
        const bots = slow.map(({ bot }) => bot);
        for (const bot of bots) {
          bot.stopReading();
          await askFor(mostTasks / 2, bot, { payload });
        }
        await haveTakenAll(bots, narrowHub);
        const { unsentBytes } = await status(narrowHub);
        expect(unsentBytes).toBeGreaterThanOrEqual(maxUnsentBytes / 2);
        expect(unsentBytes).toBeLessThanOrEqual(maxUnsentBytes);

        // Each is told less than one stream may have waiting, and all of them more than the hub has room for.
        const told = maxQueuedFrames / 2 + inGrpcJs;
        for (const bot of bots) for (let n = 0; n < told; n++) bot.send(undefined);
        const ended = () => counted('mallbots.hub.sessions.closed', 'CONSUMER_TOO_SLOW', narrowHub);
        await expect.poll(ended, patient).toBeGreaterThan(0);
        expect((await status(narrowHub)).unsentFrames).toBeLessThanOrEqual(maxUnsentFrames);
        expect(await ended()).toBeLessThan(slowBots);
        expect(await shareOfHub(narrowHub)).toBeGreaterThan(1 / 4);

        const detached = async () => {
          const views = await Promise.all(bots.map(viewOf));
          return slow.find((_, at) => views[at]!.sessionState === 'DETACHED');
        };
        await expect.poll(detached, patient).toBeDefined();
        const { bot, resumeToken } = (await detached())!;
        const { botId, instanceId } = bot.hello;
        const back = raw(narrowHub, { botId, instanceId, resumeToken, lastHubSeq: bot.seen, credits: [] });
        expect(await back.welcomed()).toMatchObject({ resumed: true, epoch: 2 });
        expect((await back.next('nack')).value.reason).toBe(NackReason.BODY_UNSET);
      });

      it('lets a bot that sends as fast as it can have its own stream cost, and no other', async () => {
        const stop = new AbortController();
        onTestFinished(() => stop.abort());
        const flooding = flood(hub.address, mallTimeoutMs, stop.signal).catch(() => undefined);
        const endings = () => counted('mallbots.hub.sessions.closed', 'FRAME_RATE_EXCEEDED');
        await expect.poll(endings, patient).toBeGreaterThan(0);
        const share = await shareOfHub();
        stop.abort();
        await flooding;
        expect(share).toBeGreaterThan(1 / 4);
      });
    });
  },
);

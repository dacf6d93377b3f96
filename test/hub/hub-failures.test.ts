import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type Bot, connectBot, shopKind } from '../../bots/sdk/index.ts';
import type { TaskSucceeded } from '../../src/gen/events/bots/v1/events.ts';
import { ListBotsRequest, ListTasksRequest, NackReason, Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { drainRetryAfterMs } from '../../src/hub/limits.ts';
import { nothingPicked, quick, reached } from '../bots/robot.ts';
import { mallTimeoutMs } from '../support/program.ts';
import { describeWithPostgres, describeWithRabbitMq } from '../support/services.ts';
import { askForTask } from './fleet.ts';
import { type HubProcess, type HubProcesses, startHubProcesses } from './hub-processes.ts';
import { picked, RawBot, type RawHello } from './raw-bot.ts';

/** Long enough for a bot to reconnect on a busy machine, short enough to be waited for twice. */
const leaseMs = 3_000;
const patient = { timeout: 60_000, interval: 50 };
const botCount = 6;
/** Of a hub in all, and of a bot: three of them send three times what it holds. */
const maxWaitingFrames = 32;
const maxUnacknowledged = 32;

describeWithRabbitMq('two hubs, each a process, on RabbitMQ', { timeout: mallTimeoutMs }, () => {
  describeWithPostgres('and PostgreSQL', () => {
    let mall: HubProcesses;
    let hubs: readonly [HubProcess, HubProcess];
    beforeAll(async () => {
      mall = await startHubProcesses(2, {
        MALLBOTS_HUB_LEASE_MS: String(leaseMs),
        MALLBOTS_HUB_MAX_WAITING_FRAMES: String(maxWaitingFrames),
        MALLBOTS_HUB_MAX_UNACKNOWLEDGED: String(maxUnacknowledged),
      });
      hubs = mall.hubs as typeof hubs;
    }, mallTimeoutMs);
    afterAll(() => mall?.[Symbol.asyncDispose](), mallTimeoutMs);

    /** Half of them begin at either hub, with a task each, at which they work until `finish`. */
    async function fleetAtWork() {
      const gate = Promise.withResolvers<void>();
      const bots = Array.from({ length: botCount }, (_, index) => {
        const own = hubs[index % 2]!.address;
        const other = hubs[(index + 1) % 2]!.address;
        return connect(`${own},${other}`, gate.promise);
      });
      await Promise.all(bots.map((bot) => bot.ready()));
      const tasks = await Promise.all(bots.map(({ botId }) => askForTask(mall.broker, { onlyBotId: botId })));
      const isOver = (name: string) => (orderId: string) =>
        mall.heard.until(() => mall.heard.of(orderId).find((message) => message.name === name));
      await Promise.all(tasks.map(({ orderId }) => isOver('bots.stop_reached')(orderId)));
      return {
        bots,
        async finish() {
          gate.resolve();
          const results = await Promise.all(tasks.map(({ orderId }) => isOver('bots.task_succeeded')(orderId)));
          for (const [index, { key, body }] of results.entries()) {
            const { task } = body as TaskSucceeded;
            expect(task).toMatchObject({ attempt: 1, fence: 1, botId: bots[index]!.botId });
            expect(mall.heard.of(key).map(({ name }) => name)).toEqual([
              'bots.task_started',
              'bots.stop_reached',
              'bots.stop_reached',
              'bots.task_succeeded',
            ]);
          }
        },
      };
    }

    function connect(hub: string, gate: Promise<void>): Bot {
      let isFirst = true;
      const bot = connectBot({
        hub,
        botId: `bot-${randomUUID().slice(0, 8)}`,
        kinds: [
          shopKind.serve(async (task) => {
            await task.progress(reached(0));
            await gate;
            await task.progress(reached(1));
            return nothingPicked;
          }),
        ],
        reconnect: quick,
        // The first one chooses the hub to begin with.
        random: () => {
          const wasFirst = isFirst;
          isFirst = false;
          return wasFirst ? 0 : Math.random();
        },
      });
      onTestFinished(() => bot.kill());
      return bot;
    }

    function raw(hub: HubProcess, hello: RawHello = {}): RawBot {
      const bot = new RawBot(hub.address, hello);
      onTestFinished(() => bot.cut());
      return bot;
    }

    /** Each has begun a task of its own, and beats. */
    const rawBotsAtWork = (hub: HubProcess, length: number) =>
      Promise.all(
        Array.from({ length }, async () => {
          const bot = raw(hub);
          await bot.welcomed();
          const stopBeating = bot.keepBeating([]);
          const { orderId } = await askForTask(mall.broker, { onlyBotId: bot.hello.botId });
          const task = await bot.lease();
          stopBeating();
          bot.keepBeating([task]);
          await bot.acknowledged(bot.progress(task, undefined, { started: true }));
          return { bot, task, orderId };
        }),
      );

    /** In the attempt that they began with. */
    async function areDoneAtOnce(tasks: ReadonlyArray<{ orderId: string }>): Promise<void> {
      for (const { orderId } of tasks) {
        const { body } = await mall.heard.until(() =>
          mall.heard.of(orderId).find(({ name }) => name === 'bots.task_succeeded'),
        );
        expect((body as TaskSucceeded).task).toMatchObject({ attempt: 1, fence: 1 });
      }
    }

    const areAllAt = (bots: readonly Bot[], hub: HubProcess) =>
      expect
        .poll(() => bots.map(({ state }) => (state.at === 'ready' ? state.hub : state.at)), patient)
        .toEqual(bots.map(() => hub.address));

    const taskOf = async (taskId: string) => {
      const { tasks } = await hubs[1].admin.listTasks(ListTasksRequest.fromPartial({ openOnly: true }));
      return tasks.find((task) => task.taskId === taskId);
    };

    it('kill -9 of one: its bots are on the other, and go on with the tasks that they have', async () => {
      const fleet = await fleetAtWork();
      await hubs[0].program.kill('SIGKILL');
      await areAllAt(fleet.bots, hubs[1]);
      await fleet.finish();
      await hubs[0].start();
    });

    it('SIGTERM of one: its bots move when they are told to, each at a moment of its own, with their leases, and it exits with 0', async () => {
      const fleet = await fleetAtWork();
      const deaf = raw(hubs[0], { credits: [] });
      await deaf.welcomed();
      deaf.keepBeating([]);
      const leaving = fleet.bots.filter((bot) => bot.state.at === 'ready' && bot.state.hub === hubs[0].address);
      const waits: number[] = [];
      for (const bot of leaving)
        bot.on('state', (state) => {
          if (state.at === 'waiting' && state.reason === 'the hub drains') waits.push(state.retryInMs);
        });

      expect(await hubs[0].program.kill('SIGTERM')).toMatchObject({ code: 0, signal: null });
      await areAllAt(fleet.bots, hubs[1]);
      expect(waits).toHaveLength(leaving.length);
      expect(leaving.length).toBeGreaterThan(1);
      expect(new Set(waits).size).toBeGreaterThan(1);
      expect(Math.max(...waits)).toBeLessThanOrEqual(drainRetryAfterMs);
      // Whoever does not go is sent away.
      expect(await deaf.next('drain')).toBeDefined();
      expect(await deaf.status).toMatchObject({ code: 14, details: expect.stringContaining('goes away') });
      await fleet.finish();
      await hubs[0].start();
    });

    it('SIGSTOP of one for longer than its bots are waited for: when it goes on, nothing that it has in hand counts', async () => {
      const [stale, other] = hubs;
      const lost = raw(stale);
      await lost.welcomed();
      const asked = await askForTask(mall.broker, { onlyBotId: '' });
      const stopBeating = lost.keepBeating([]);
      const task = await lost.lease();
      await lost.acknowledged(lost.progress(task, undefined, { started: true }));
      stopBeating();
      const idle = raw(stale, { credits: [] });
      await idle.welcomed();
      idle.keepBeating([]);

      stale.program.child.kill('SIGSTOP');
      // What the stopped hub will find: a credit for its dispatch, reports of a task that is another bot's by then.
      idle.send({ $case: 'credit', value: { kind: 'shop', amount: 1 } }, { seq: 0 });
      lost.progress(task, picked());
      const last = lost.result(task, { outcome: Outcome.SUCCEEDED });
      const { botId, instanceId } = idle.hello;
      const gone = raw(other, { botId, instanceId, credits: [] });
      expect(await gone.welcomed()).toMatchObject({ epoch: 2 });
      gone.keepBeating([]);
      const next = raw(other);
      await next.welcomed();
      next.keepBeating([]);
      const again = await next.lease();
      expect(again).toEqual({ taskId: task.taskId, fence: 3 });
      next.keepBeating([again]);
      await next.acknowledged(next.progress(again, undefined, { started: true }));
      const waiting = await askForTask(mall.broker, { onlyBotId: botId });
      await expect.poll(() => taskOf(waiting.taskId), patient).toMatchObject({ state: 'QUEUED' });
      await expect.poll(() => taskOf(again.taskId), patient).toMatchObject({ state: 'RUNNING' });
      const before = await tables();

      stale.program.child.kill('SIGCONT');
      await lost.acknowledged(last);
      const refused = lost.frames.flatMap(({ body }) => (body?.$case === 'nack' ? [body.value.reason] : []));
      expect(refused).toEqual([NackReason.STALE_FENCE, NackReason.STALE_FENCE]);
      expect(await idle.status).toMatchObject({ code: 10, details: expect.stringContaining('has epoch 2') });
      expect(await tables()).toEqual(before);
      expect(idle.frames.some(({ body }) => body?.$case === 'offer')).toBe(false);
      expect(mall.heard.of(asked.orderId).map(({ id }) => id)).not.toContain(`${task.taskId}:1:3`);

      await next.acknowledged(next.result(again, { outcome: Outcome.SUCCEEDED }));
      gone.send({ $case: 'credit', value: { kind: 'shop', amount: 1 } }, { seq: 0 });
      expect(await gone.lease()).toEqual({ taskId: waiting.taskId, fence: 1 });
    });

    it('kill -9 of a bot that keeps a file: it comes back as itself, to the same attempt, and tells each step once', async () => {
      const botId = `bot-${randomUUID().slice(0, 8)}`;
      const [{ address, admin, broker }] = hubs;
      const boot = () => startStoredBot(address, botId, `${mall.directory}/${botId}.log`);
      const viewOf = async () => {
        const { bots } = await admin.listBots(ListBotsRequest.fromPartial({}));
        return bots.find((bot) => bot.botId === botId);
      };
      const told = (orderId: string, count: number) =>
        mall.heard.until(() => (mall.heard.of(orderId).length >= count ? true : undefined));

      const before = boot();
      const { orderId } = await askForTask(mall.broker, { onlyBotId: botId });
      before.send('go on');
      await told(orderId, 2);
      const known = await viewOf();
      // The second step is told, and the bot does not hear so.
      broker.blackhole('down');
      before.send('go on');
      await told(orderId, 3);
      before.kill('SIGKILL');
      await once(before, 'exit');
      await broker.restore();

      const after = boot();
      after.send('go on');
      after.send('go on');
      const ended = await mall.heard.until(() =>
        mall.heard.of(orderId).find(({ name }) => name === 'bots.task_succeeded'),
      );
      expect((ended.body as TaskSucceeded).task).toMatchObject({ botId, attempt: 1, fence: 1 });
      const said = mall.heard.of(orderId).map(({ name, body }) => [name, (body as { stopIndex?: number }).stopIndex]);
      expect(said).toEqual([
        ['bots.task_started', undefined],
        ['bots.stop_reached', 0],
        ['bots.stop_reached', 1],
        ['bots.stop_reached', 2],
        ['bots.task_succeeded', undefined],
      ]);
      const { sessionId, instanceId } = known!;
      expect(await viewOf()).toMatchObject({ sessionId, instanceId, epoch: known!.epoch + 1 });
    });

    it('a broker that does not answer: what waits in a hub is bounded, nobody loses a task, and all of it goes through afterwards', async () => {
      const [hub] = hubs;
      const bots = await rawBotsAtWork(hub, 4);
      const [quiet, ...loud] = bots as [(typeof bots)[number], ...typeof bots];
      hub.broker.blackhole();
      // Each keeps to the window that it was told, and all together exceed what the hub holds.
      for (const { bot, task } of loud) for (let n = 0; n < maxUnacknowledged; n++) bot.progress(task, picked());
      const status = () => hub.admin.getHubStatus({});
      await expect.poll(async () => (await status()).pausedStreams, patient).toBeGreaterThan(0);
      const { waitingFrames, window } = await status();
      // Beyond it come what was read already, and the fair shares of those that have less waiting.
      expect(waitingFrames).toBeLessThanOrEqual(2 * maxWaitingFrames);
      expect(window).toBeLessThan(maxUnacknowledged);
      // What does not need the broker is done meanwhile.
      await quiet.bot.acknowledged(quiet.bot.result(quiet.task, { outcome: Outcome.SUCCEEDED }));

      await hub.broker.restore();
      await Promise.all(loud.map(({ bot }) => bot.acknowledged(bot.seq)));
      for (const { bot, task } of loud) bot.result(task, { outcome: Outcome.SUCCEEDED });
      await areDoneAtOnce(bots);
      await expect
        .poll(status, patient)
        .toMatchObject({ waitingFrames: 0, waitingBytes: 0, pausedStreams: 0, window: maxUnacknowledged });
    });

    it('a database that does not answer: steps are told all the same, what waits in a hub is bounded, and nobody loses a task', async () => {
      const [hub] = hubs;
      const bots = await rawBotsAtWork(hub, 4);
      const [quiet, ...loud] = bots as [(typeof bots)[number], ...typeof bots];
      hub.database.blackhole();
      // What a step does is durable with the broker's confirm.
      await Promise.all(bots.map(({ bot, task }) => bot.acknowledged(bot.progress(task, picked()))));
      // Each keeps to the window that it was told, and all together exceed what the hub holds.
      const results = loud.map(({ bot, task }) =>
        Array.from({ length: maxUnacknowledged }, () => bot.result(task, { outcome: Outcome.SUCCEEDED })),
      );
      const status = () => hub.admin.getHubStatus({});
      await expect.poll(async () => (await status()).pausedStreams, patient).toBeGreaterThan(0);
      expect((await status()).waitingFrames).toBeLessThanOrEqual(2 * maxWaitingFrames);
      expect(loud.some(({ bot }, index) => bot.ack >= results[index]![0]!)).toBe(false);
      await quiet.bot.acknowledged(quiet.bot.progress(quiet.task, picked()));

      await hub.database.restore();
      await Promise.all(loud.map(({ bot }) => bot.acknowledged(bot.seq)));
      await quiet.bot.acknowledged(quiet.bot.result(quiet.task, { outcome: Outcome.SUCCEEDED }));
      await areDoneAtOnce(bots);
      await expect
        .poll(status, patient)
        .toMatchObject({ waitingFrames: 0, waitingBytes: 0, pausedStreams: 0, window: maxUnacknowledged });
    });

    function startStoredBot(hub: string, botId: string, file: string): ChildProcess {
      const bot = fork(fileURLToPath(new URL('./stored-bot.ts', import.meta.url)), [hub, botId, file]);
      onTestFinished(() => void bot.kill('SIGKILL'));
      return bot;
    }

    /** All that a stale hub could change of tasks and sessions; not what heartbeats keep alive. */
    async function tables() {
      const [tasks, sessions, events] = await Promise.all(
        [
          sql`select task_id, state, attempt, fence, bot_id from hub.tasks order by task_id`,
          sql`select bot_id, instance_id, session_id, epoch, hub_id from hub.bots order by bot_id`,
          sql`select message_id, name from hub.outbox order by message_id`,
        ].map((statement) => mall.database.query(async (orm) => [...(await orm.execute(statement))])),
      );
      return { tasks, sessions, events };
    }
  });
});

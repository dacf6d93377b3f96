import { afterEach, expect, it } from 'vitest';
import { Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { type Assign, nearestWilling } from '../../src/hub/assign.ts';
import { type Fleet, startFleet } from './fleet.ts';

let fleet: Fleet;
afterEach(() => fleet[Symbol.asyncDispose]());

const assigningBy = async (assign: Assign) => {
  fleet = await startFleet({ options: { assign }, logLevel: 'error' });
  const bot = async (botId: string, x: number, more = {}) => {
    const joined = fleet.bot({ botId, position: { x, y: 0 }, ...more });
    await joined.welcomed();
    return joined;
  };
  return { near: await bot('near', 1), far: await bot('far', 99), bot };
};
const here = { position: { x: 0, y: 0 } };

/** The one with the first name that has room, wherever it is. */
const firstByName: Assign = (tasks, willing) => {
  const order = [...willing].sort((a, b) => (a.botId < b.botId ? -1 : 1));
  return tasks.flatMap((task, index) => (order[index] ? [{ task, botId: order[index].botId }] : []));
};

it('is another than that of the hub where one is given, for tasks that are new and for those that waited', async () => {
  const { near, far } = await assigningBy(firstByName);
  const first = await fleet.request(here);
  const task = await far.lease();
  expect(task.taskId).toBe(first.taskId);
  const second = await fleet.request(here);
  expect((await near.next('offer')).value.taskId).toBe(second.taskId);
  const third = await fleet.request(here);
  const fourth = await fleet.request(here);
  await far.acknowledged(far.result(task, { outcome: Outcome.SUCCEEDED }));
  expect([third.taskId, fourth.taskId]).toContain((await far.next('offer')).value.taskId);
});

it('cannot give a task to who may not have it, has no room, or is not there, nor twice', async () => {
  const wrong: Assign = (tasks) =>
    tasks.flatMap((task) => ['nobody', 'full', 'dancer', 'near', 'far'].map((botId) => ({ task, botId })));
  const { near, far, bot } = await assigningBy(wrong);
  const full = await bot('full', 0, { credits: [{ kind: 'shop', amount: 0 }] });
  const dances = { kind: 'dance', digests: [`sha256:${'0'.repeat(64)}`] };
  const dancer = await bot('dancer', 0, { kinds: [dances], credits: [{ kind: 'dance', amount: 1 }] });
  const pinned = await fleet.request({ ...here, onlyBotId: 'far' });
  const free = await fleet.request(here);
  expect((await near.lease()).taskId).toBe(free.taskId);
  expect((await far.lease()).taskId).toBe(pinned.taskId);
  for (const each of [full, dancer, near, far])
    expect(each.frames.filter(({ body }) => body?.$case === 'offer').length).toBe(
      each === near || each === far ? 1 : 0,
    );
  expect(fleet.telemetry.logs()).toContainEqual(
    expect.objectContaining({
      msg: 'a bot was chosen that cannot take the task',
      'mallbots.bot_id': 'dancer',
      'mallbots.task_id': free.taskId,
      'mallbots.order_id': free.orderId,
    }),
  );
});

it('costs tasks no more than a wait while it throws', async () => {
  let isBroken = true;
  const { near } = await assigningBy((tasks, willing, armOf) => {
    if (isBroken) throw new Error('no map of the mall');
    return nearestWilling(tasks, willing, armOf);
  });
  const { taskId } = await fleet.request(here);
  const isStored = async () => (await fleet.tasks({ states: ['QUEUED'] })).length;
  await expect.poll(isStored, { timeout: 20_000 }).toBe(1);
  isBroken = false;
  expect((await near.lease()).taskId).toBe(taskId);
  expect(fleet.telemetry.logs()).toContainEqual(expect.objectContaining({ msg: 'tasks cannot be assigned' }));
});

import { until } from './cast.ts';
import { botCount, type ChaosMall } from './mall.ts';

/** Tasks under way at the least when a fault strikes. */
const tasksUnderWay = 3;

/** Faults want something to break. */
export async function awaitBusy({ fleet, signal }: ChaosMall): Promise<void> {
  const isBusy = async () => {
    const tasks = (await fleet.openTasks()) ?? [];
    return tasks.filter(({ state }) => state === 'LEASED' || state === 'RUNNING').length >= tasksUnderWay;
  };
  await until(`${tasksUnderWay} tasks are under way`, isBusy, signal);
}

/** Some bots on every hub: those of a hub that was away for a moment are all on the other one. */
export async function spread({ wires, signal }: ChaosMall): Promise<void> {
  const isSpread = () => {
    const counts = wires.hubs.map(({ bots }) => bots.connections);
    if (Math.min(...counts) >= botCount / wires.hubs.length / 2) return true;
    // Whoever is cut off goes to the next hub.
    if (counts.reduce((sum, count) => sum + count) >= botCount) wires.busiest.bots.cut(botCount / 2);
    return false;
  };
  await until('bots are on every hub', isSpread, signal);
}

/**
 * Ms from `sinceMs` (by `performance.now()`) until the mall has got over what ended then: an order that was placed since is at the depot,
 * which takes a dispatch, progress and a result, every process runs, every hub serves, and every bot has a live session.
 * @throws NotInTime
 */
export async function recover(
  { cast, crowd, fleet, wires, signal, isServing }: ChaosMall,
  sinceMs: number,
): Promise<number> {
  await until('an order that was placed after it is ready', () => crowd.hasServed(sinceMs), signal);
  await until('every process runs', () => cast.isComplete, signal);
  for (const { name } of wires.hubs) await until(`${name} serves`, () => isServing(name), signal);
  const isWhole = async () => {
    const bots = (await fleet.connectedBots()) ?? [];
    return bots.filter(({ botId }) => /^bot-\d+$/.test(botId)).length === botCount;
  };
  await until('every bot has a live session', isWhole, signal);
  return performance.now() - sinceMs;
}

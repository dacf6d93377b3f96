import { expect, it, vi } from 'vitest';
import { Delivery } from '../../../src/hub/protocol/delivery.ts';
import { ProtocolView } from '../../../src/hub/protocol/view.ts';
import type { Roster, Seat } from '../../../src/hub/roster.ts';

const view = () => new ProtocolView(new Map(), [], []);

/** Bots that lack one revision of each view. */
function fleetOf(count: number) {
  const told = Array.from({ length: count }, (): ProtocolView[] => []);
  /** Between looks at who is willing. */
  const followed = [0];
  /** By bot, the view that it follows. */
  const following: ProtocolView[] = [];
  let wakings = 0;
  const seats = told.map((heard, index): Seat => {
    let newest: ProtocolView | undefined;
    const bot = {
      follow: (next: ProtocolView) => {
        newest = next;
        following[index] = next;
        followed[followed.length - 1]! += 1;
      },
      news: () => {
        if (!newest) return undefined;
        heard.push(newest);
        newest = undefined;
        return { add: [], remove: [], retired: [] };
      },
    };
    return { bot, takesOffers: true, send: () => true, input: () => undefined } as unknown as Seat;
  });
  const delivery = new Delivery({
    roster: { seats, willing: () => followed.push(0) } as unknown as Roster,
    catalogue: { view: view() },
    book: { note: () => undefined },
    onWilling: () => {
      wakings += 1;
    },
  });
  const toldAtAll = () => told.filter((heard) => heard.length > 0).length;
  return { delivery, told, followed, following, wakings: () => wakings, toldAtAll };
}

it('brings a revision to the bots some at a time, with room for tasks and reports in between, and to all of them', async () => {
  vi.useFakeTimers();
  const { delivery, toldAtAll } = fleetOf(60);
  const startedAtMs = performance.now();
  const following = delivery.follow(view());
  const steps: number[] = [];
  while (toldAtAll() < 60) {
    steps.push(toldAtAll());
    await vi.advanceTimersToNextTimerAsync();
  }
  await following;
  expect(steps.slice(0, 6)).toEqual([3, 5, 7, 10, 12, 14]);
  // 1,150 a second.
  expect(performance.now() - startedAtMs).toBe(50);
  vi.useRealTimers();
});

it('has a fleet follow a new view some at a time, so that no task waits until all of it has its place again', async () => {
  vi.useFakeTimers();
  const { delivery, toldAtAll, followed, wakings } = fleetOf(150);
  const following = delivery.follow(view());
  expect(followed).toEqual([64, 0]);
  // Nobody before it follows.
  expect(toldAtAll()).toBe(3);
  await vi.runAllTimersAsync();
  await following;
  expect(followed).toEqual([64, 64, 22, 0]);
  expect(wakings()).toBe(1);
  expect(toldAtAll()).toBe(150);
  vi.useRealTimers();
});

it('goes on with the newest when the protocol changes meanwhile, so that nobody is told what is outdated, and ends with the hub', async () => {
  vi.useFakeTimers();
  const { delivery, told, following, wakings } = fleetOf(150);
  const [first, second] = [view(), view()];
  void delivery.follow(first);
  void delivery.follow(second);
  await vi.runAllTimersAsync();
  expect(following.map((each) => each === second)).toEqual(told.map(() => true));
  expect(wakings()).toBe(1);
  expect(told.map((heard) => heard.at(-1) === second)).toEqual(told.map(() => true));
  expect(told.filter((heard) => heard.includes(first))).toHaveLength(3);

  void delivery.follow(first);
  delivery.stop();
  await vi.runAllTimersAsync();
  expect(told.filter((heard) => heard.length > 1 && heard.at(-1) === first)).toHaveLength(3);
  vi.useRealTimers();
});

import { ROOT_CONTEXT } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import {
  type ReturnProgress,
  type ReturnTask,
  type ShopProgress,
  type ShopTask,
  shopKind,
  type Task,
} from '../../bots/sdk/index.ts';
import { bringBack } from '../../bots/simulator/bring-back.ts';
import { tour } from '../../bots/simulator/tour.ts';

const item = (lineId: string, quantity: number) => ({ lineId, productId: lineId, sku: lineId, name: lineId, quantity });
const payload: ShopTask = {
  orderId: 'o',
  stops: [
    { storeId: 's0', storeName: 'Greens', place: { x: 1, y: 0 }, items: [item('a', 2)] },
    { storeId: 's1', storeName: 'Dairy', place: { x: 2, y: 0 }, items: [item('b', 3), item('c', 1)] },
  ],
  depot: { x: 0, y: 0 },
};
const stop = (stopIndex: number): ShopProgress => ({
  step: { $case: 'stopReached', value: { storeId: `s${stopIndex}`, stopIndex } },
});
const line = ($case: 'itemPicked' | 'itemShort', lineId: string, quantity: number): ShopProgress => ({
  step: { $case, value: { lineId, productId: lineId, storeId: 's', quantity } },
});

async function walk(resumedFrom: readonly ShopProgress[]) {
  const said: ShopProgress[] = [];
  const step = {
    context: ROOT_CONTEXT,
    traceparent: '',
    progress: async (progress: ShopProgress) => void said.push(progress),
    step: (_: string, __: object, work: (child: unknown) => Promise<never>) => work(step),
  };
  const task = { ...step, payload, resumedFrom, schema: shopKind } as unknown as Task<ShopTask, ShopProgress>;
  const nothing = () => {};
  const condition = () => ({ batteryPercent: 80 });
  const walker = { setOut: nothing, walkTo: async () => 1, condition, onStop: nothing, onPicked: nothing };
  // One unit of each line is not there.
  const { lines } = await tour(task, { ...walker, pick: async ({ quantity }) => quantity - 1 });
  const told = said.map(
    ({ step }) => `${step!.$case} ${'lineId' in step!.value ? step!.value.lineId : step!.value.stopIndex}`,
  );
  return { told, lines };
}

it('a tour that was broken off at any step goes on from there: each step is told once, and the result is the same', async () => {
  const whole = [
    stop(0),
    line('itemPicked', 'a', 1),
    line('itemShort', 'a', 1),
    stop(1),
    line('itemPicked', 'b', 2),
    line('itemShort', 'b', 1),
    line('itemShort', 'c', 1),
  ];
  const { told, lines } = await walk([]);
  expect(told).toHaveLength(whole.length);
  for (let done = 0; done <= whole.length; done += 1) {
    expect(await walk(whole.slice(0, done))).toEqual({ told: told.slice(done), lines });
  }
});

it('a return that was broken off at any step goes on from there: nothing is put back twice', async () => {
  const back = async (resumedFrom: readonly ReturnProgress[]) => {
    const said: ReturnProgress[] = [];
    const step = {
      progress: async (progress: ReturnProgress) => void said.push(progress),
      step: (_: string, __: object, work: (child: unknown) => Promise<never>) => work(step),
    };
    const nothing = () => {};
    const robot = {
      setOut: nothing,
      walkTo: async () => 1,
      putBack: async () => {},
      onStop: nothing,
      onReturned: nothing,
      collect: async () => {},
      onCollected: nothing,
    };
    await bringBack({ ...step, payload, resumedFrom } as unknown as Task<ReturnTask, ReturnProgress>, robot);
    return said;
  };
  const whole = await back([]);
  expect(whole).toHaveLength(5);
  for (let done = 0; done <= whole.length; done += 1) {
    expect(await back(whole.slice(0, done))).toEqual(whole.slice(done));
  }
});

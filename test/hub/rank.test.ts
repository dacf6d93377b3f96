import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mostPriority, priorityWorthMs } from '../../src/hub/limits.ts';
import { rankOf } from '../../src/hub/rank.ts';

/** Several times the longest that anything may wait, ms. */
const horizonMs = 8 * mostPriority * priorityWorthMs;
const anyTask = fc.record({
  createdAt: fc.integer({ min: 0, max: horizonMs }).map((ms) => new Date(ms)),
  priority: fc.integer({ min: -mostPriority, max: mostPriority }),
});

it('brings every task to the head of the queue, however many that are more urgent come all the time', () => {
  fc.assert(
    fc.property(anyTask, fc.array(anyTask, { minLength: 1, maxLength: 200 }), (task, others) => {
      // A bot takes one task at a time, the first of the queue; others come for ever.
      const ahead = others.filter((other) => rankOf(other) < rankOf(task));
      const longestMs = (mostPriority - task.priority) * priorityWorthMs;
      for (const { createdAt } of ahead)
        expect(createdAt.getTime() - task.createdAt.getTime()).toBeLessThan(Math.max(1, longestMs));
    }),
  );
});

it('puts the more urgent of two first that come together, and the older of two that are as urgent', () => {
  fc.assert(
    fc.property(anyTask, anyTask, (one, other) => {
      if (one.createdAt.getTime() === other.createdAt.getTime())
        expect(Math.sign(rankOf(one) - rankOf(other))).toBe(Math.sign(other.priority - one.priority));
      const asUrgent = { ...other, priority: one.priority };
      expect(Math.sign(rankOf(one) - rankOf(asUrgent))).toBe(
        Math.sign(one.createdAt.getTime() - other.createdAt.getTime()),
      );
    }),
  );
});

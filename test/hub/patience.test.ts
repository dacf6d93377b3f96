import { expect, it } from 'vitest';
import { mostHerdLeases, Patience } from '../../src/hub/patience.ts';

const leaseMs = 1_000;
const started = () => new Patience(leaseMs, 0);

it('judges nobody for a lease after it started', () => {
  expect(started().mayJudge(leaseMs - 1)).toBe(false);
  expect(started().mayJudge(leaseMs)).toBe(true);
});

it('judges nobody for a lease after it was away', () => {
  const patience = started();
  patience.wasAway(5_000);
  expect(patience.mayJudge(5_999)).toBe(false);
  expect(patience.mayJudge(6_000)).toBe(true);
});

it.each([
  { arrivals: 8, present: 0, isHerd: true },
  { arrivals: 7, present: 0, isHerd: false },
  { arrivals: 80, present: 5_000, isHerd: true },
  { arrivals: 70, present: 5_000, isHerd: false },
])('takes $arrivals arrivals to $present bots for a herd: $isHerd', ({ arrivals, present, isHerd }) => {
  const patience = started();
  expect(patience.came(arrivals, present, 5_000)).toBe(isHerd);
  expect(patience.mayJudge(5_999)).toBe(!isHerd);
  expect(patience.mayJudge(6_000)).toBe(true);
});

it('waits for a herd as long as it comes, here or elsewhere, and a lease more', () => {
  const patience = started();
  patience.came(100, 0, 500);
  patience.waitForHerd(1_400);
  patience.came(100, 200, 2_300);
  expect(patience.mayJudge(3_299)).toBe(false);
  expect(patience.mayJudge(3_300)).toBe(true);
});

it('does not wait without end for bots that come and go, and waits again after a lease without a herd', () => {
  const patience = started();
  const step = leaseMs / 10;
  let nowMs = leaseMs / 2;
  for (; !patience.mayJudge(nowMs); nowMs += step) patience.came(100, 0, nowMs);
  expect(nowMs).toBeLessThanOrEqual((mostHerdLeases + 2) * leaseMs);
  for (const until = nowMs + leaseMs - step; nowMs < until; nowMs += step) {
    patience.came(100, 0, nowMs);
    expect(patience.mayJudge(nowMs)).toBe(true);
  }
  nowMs += 2 * leaseMs;
  patience.came(100, 0, nowMs);
  expect(patience.mayJudge(nowMs)).toBe(false);
});

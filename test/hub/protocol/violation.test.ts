import { describe, expect, it } from 'vitest';
import {
  bounded,
  type Finding,
  gather,
  maxViolationChars,
  maxViolations,
} from '../../../src/hub/protocol/check/violation.ts';

const finding = (line: number, more: Partial<Finding> = {}): Finding => ({
  ...{
    rule: 'FIELD_RENAMED',
    file: 'shop.proto',
    line,
    column: 1,
    message: 'kinds.shop.v1.ShopTask',
    field: `f${line}`,
  },
  ...{ what: 'another name', breaks: 'both', why: 'nobody finds it', instead: 'give it its name back', ...more },
});
const many = (count: number, more: Partial<Finding> = {}) =>
  gather(Array.from({ length: count }, (_, index) => ({ finding: finding(index + 1, more) })));

describe('what a publisher is shown of all that speaks against a revision', () => {
  it('is all of it as far as one can read, the first lines first, and how much more there is', () => {
    expect(bounded(many(maxViolations)).omitted).toBe(0);
    const { violations, omitted } = bounded(many(maxViolations + 7));
    expect([violations.length, omitted]).toEqual([maxViolations, 7]);
    expect(violations.at(-1)!.line).toBe(maxViolations);
  });

  it('is bounded in characters too, whatever the names are, and never nothing', () => {
    const all = many(maxViolations, { message: 'm'.repeat(200_000), what: 'w'.repeat(200_000) });
    const { violations, omitted } = bounded(all);
    expect(JSON.stringify(violations).length).toBeLessThan(maxViolationChars);
    expect(violations.length).toBeGreaterThan(100);
    expect(violations.length + omitted).toBe(all.length);
  });

  it('names a hundred revisions of one violation, and counts the others', () => {
    const one = finding(1);
    const [violation] = gather(
      Array.from({ length: 130 }, (_, index) => ({ finding: one, against: `revision ${index + 1}` })),
    );
    expect(violation!.against).toHaveLength(101);
    expect(violation!.against.at(-1)).toBe('30 more');
  });
});

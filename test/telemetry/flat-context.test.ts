import { createContextKey, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { emptyContext } from '../../src/telemetry/flat-context.ts';
import { contextOf } from '../../src/telemetry/propagation.ts';
import { shareGoneYoung } from '../support/young-garbage.ts';

const [one, two] = [createContextKey('one'), createContextKey('two')];
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe.each([
  ['the context of the API', ROOT_CONTEXT],
  ['ours', emptyContext],
])('%s', (_, root) => {
  it('has what was set above it, and changes nothing there', () => {
    const parent = root.setValue(one, 1);
    const child = parent.setValue(two, 2).setValue(one, 3);
    const without = child.deleteValue(two);
    const seen = [root, parent, child, without].map((context) => [context.getValue(one), context.getValue(two)]);
    expect(seen).toEqual([
      [undefined, undefined],
      [1, undefined],
      [3, 2],
      [3, undefined],
    ]);
  });
});

it('leaves nothing behind that only a full collection finds', async () => {
  const named = { name: 'what a span says' };
  expect(await shareGoneYoung(() => emptyContext.setValue(one, { ...named }).getValue(one) as object)).toBeGreaterThan(
    0.5,
  );
  expect(await shareGoneYoung(() => trace.getSpanContext(contextOf(traceparent))!)).toBeGreaterThan(0.5);
  // When this fails, the API's own will do.
  expect(await shareGoneYoung(() => ROOT_CONTEXT.setValue(one, { ...named }).getValue(one) as object)).toBeLessThan(
    0.5,
  );
});

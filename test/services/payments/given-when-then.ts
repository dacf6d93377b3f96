import { expect } from 'vitest';
import { decide } from '../../../src/services/payments/decide.ts';
import { foldInvoice } from '../../../src/services/payments/invoice.ts';
import type { InvoiceCommand, InvoiceEvent } from '../../../src/services/payments/messages.ts';

/** A specification in the words of the stream: `given(...events).when(command).thenEvents(...events)`. */
export const given = (...past: InvoiceEvent[]) => ({
  when: (command: InvoiceCommand) => {
    const attempt = () => decide(foldInvoice(past), command);
    return {
      thenEvents: (...expected: InvoiceEvent[]) => expect(attempt()).toEqual(expected),
      thenThrows: (expected: RegExp | { code: string; detail: object }) =>
        expect(attempt).toThrow(
          expected instanceof RegExp
            ? expected
            : expect.objectContaining({ code: expected.code, detail: expect.objectContaining(expected.detail) }),
        ),
    };
  },
});

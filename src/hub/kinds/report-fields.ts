import { invalid } from '../../contract/errors.ts';
import type { BodyOf, MessageName } from '../../contract/events.ts';
import { type Draft, draft } from '../../contract/message.ts';
import type { Reported } from './kind.ts';

/** Characters; ids are UUIDs, which have 36. */
const maxIdChars = 64;
/** Pieces of one line; no robot carries more. */
const maxQuantity = 100_000;

/** The event that a report becomes. */
export const event = <N extends MessageName>(name: N, { task, correlationId }: Reported, body: BodyOf<N>): Draft =>
  draft(name, task.orderId, body, { correlationId, task: { id: task.taskId, fence: task.fence } });

// Each of these answers with the value, or throws MallError INVALID_ARGUMENT naming the field as the payload has it.

export interface Item {
  readonly lineId: string;
  readonly productId: string;
  readonly storeId: string;
  readonly quantity: number;
}

export const item = (step: string, given: Item): Item => ({
  lineId: id(`${step}.line_id`, given.lineId),
  productId: id(`${step}.product_id`, given.productId),
  storeId: id(`${step}.store_id`, given.storeId),
  quantity: quantity(`${step}.quantity`, given.quantity, 1),
});

export function id(field: string, value: string): string {
  if (value.length === 0 || value.length > maxIdChars) {
    throw invalid(field, value, 'MALFORMED_ID', 'repeat the id from the task');
  }
  return value;
}

export function quantity(field: string, value: number, least: number): number {
  if (value < least || value > maxQuantity) {
    throw invalid(field, value, 'OUT_OF_RANGE', `give a number from ${least} to ${maxQuantity}`);
  }
  return value;
}

export function metres(field: string, value: number): number {
  if (!(value >= 0)) throw invalid(field, value, 'OUT_OF_RANGE', 'give metres from 0');
  return value;
}

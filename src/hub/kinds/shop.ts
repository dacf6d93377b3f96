import { invalid } from '../../contract/errors.ts';
import type { BodyOf, MessageName } from '../../contract/events.ts';
import { type Draft, draft } from '../../contract/message.ts';
import { ShopProgress, ShopResult } from '../../gen/kinds/shop/v1/shop.ts';
import type { KindTranslator, Reported } from './kind.ts';

/** Characters; ids are UUIDs, which have 36. */
const maxIdChars = 64;
/** Pieces of one line; no robot carries more. */
const maxQuantity = 100_000;
/** Lines of one result. */
const maxLines = 1_000;

/** kinds.shop.v1 as bots.* events. */
export const shop: KindTranslator = {
  progress(payload, reported): Draft {
    const { step } = ShopProgress.decode(payload);
    const { task, original } = reported;
    switch (step?.$case) {
      case 'stopReached': {
        const { storeId, stopIndex } = step.value;
        return event('bots.stop_reached', reported, {
          task,
          original,
          storeId: id('stop_reached.store_id', storeId),
          stopIndex,
        });
      }
      case 'itemPicked':
        return event('bots.item_picked', reported, { task, original, ...item('item_picked', step.value) });
      case 'itemShort':
        return event('bots.item_short', reported, { task, original, ...item('item_short', step.value) });
      case undefined:
        throw new TypeError('step of kinds.shop.v1.ShopProgress is unset');
      default:
        return step satisfies never;
    }
  },

  result(payload) {
    const { lines, walkedMetres } = ShopResult.decode(payload);
    if (lines.length > maxLines) throw invalid('lines', lines.length, 'TOO_MANY', `report at most ${maxLines} lines`);
    if (!(walkedMetres >= 0)) throw invalid('walked_metres', walkedMetres, 'OUT_OF_RANGE', 'give metres from 0');
    const outcomes = lines.map(({ lineId, picked, short }, index) => ({
      lineId: id(`lines[${index}].line_id`, lineId),
      picked: quantity(`lines[${index}].picked`, picked, 0),
      short: quantity(`lines[${index}].short`, short, 0),
    }));
    return (reported) => {
      const { task, original } = reported;
      return event('bots.task_succeeded', reported, { task, original, lines: outcomes });
    };
  },
};

const event = <N extends MessageName>(name: N, { task, correlationId }: Reported, body: BodyOf<N>): Draft =>
  draft(name, task.orderId, body, { correlationId, task: { id: task.taskId, fence: task.fence } });

interface Item {
  readonly lineId: string;
  readonly productId: string;
  readonly storeId: string;
  readonly quantity: number;
}

const item = (step: string, given: Item): Item => ({
  lineId: id(`${step}.line_id`, given.lineId),
  productId: id(`${step}.product_id`, given.productId),
  storeId: id(`${step}.store_id`, given.storeId),
  quantity: quantity(`${step}.quantity`, given.quantity, 1),
});

function id(field: string, value: string): string {
  if (value.length === 0 || value.length > maxIdChars) {
    throw invalid(field, value, 'MALFORMED_ID', 'repeat the id from the task');
  }
  return value;
}

function quantity(field: string, value: number, least: number): number {
  if (value < least || value > maxQuantity) {
    throw invalid(field, value, 'OUT_OF_RANGE', `give a number from ${least} to ${maxQuantity}`);
  }
  return value;
}

import { invalid } from '../../contract/errors.ts';
import type { Draft } from '../../contract/message.ts';
import { ShopProgress, ShopResult } from '../../gen/kinds/shop/v1/shop.ts';
import type { KindTranslator } from './kind.ts';
import { event, id, item, metres, quantity } from './report-fields.ts';

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
    metres('walked_metres', walkedMetres);
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

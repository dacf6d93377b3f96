import type { Draft } from '../../contract/message.ts';
import { ReturnProgress, ReturnResult } from '../../gen/kinds/return/v1/return.ts';
import type { KindTranslator } from './kind.ts';
import { event, id, item, metres } from './report-fields.ts';

/** kinds.return.v1 as bots.* events. */
export const bringBack: KindTranslator = {
  progress(payload, reported): Draft {
    const { step } = ReturnProgress.decode(payload);
    const { task, original } = reported;
    switch (step?.$case) {
      case 'stopReached': {
        const storeId = id('stop_reached.store_id', step.value.storeId);
        return event('bots.stop_reached', reported, { task, original, storeId, stopIndex: step.value.stopIndex });
      }
      case 'itemReturned':
        return event('bots.item_returned', reported, { task, original, ...item('item_returned', step.value) });
      case undefined:
        throw new TypeError('step of kinds.return.v1.ReturnProgress is unset');
      default:
        return step satisfies never;
    }
  },

  result(payload) {
    metres('walked_metres', ReturnResult.decode(payload).walkedMetres);
    return (reported) => {
      const { task, original } = reported;
      return event('bots.task_succeeded', reported, { task, original, lines: [] });
    };
  },
};

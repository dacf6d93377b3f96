import { MallError } from '../../src/contract/errors.ts';
import { newId } from '../../src/contract/ids.ts';
import { isPickupCode, maxWrongCodes, shownCode } from '../../src/contract/pickup-code.ts';
import { atDesk } from '../../src/demo/desk.ts';
import { StaffService } from '../../src/gen/staff/v1/staff.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { PromiseBroken, until } from './cast.ts';
import type { ChaosMall } from './mall.ts';

/** Codes that find the order and do not prove that it is theirs, as many as are tried. */
const wrongCodes = (code: string): string[] =>
  ['222', '333', '444', '555', '666', '777', '888']
    .map((proof) => shownCode(code.slice(0, 4) + proof))
    .filter((wrong) => isPickupCode(wrong) && wrong !== code)
    .slice(0, maxWrongCodes);

/** Between two requests while Orders is away, ms: somebody who tries again. */
const againAfterMs = 200;

/**
 * Somebody at the desk guesses an order's code while Orders is killed again and again, asking once more whenever no answer comes. Cancels the
 * order in the end, which nobody can collect with a code any more.
 * @throws PromiseBroken when more can be guessed than a code allows for, NotInTime when nobody answers
 */
export async function guessCode(mall: ChaosMall): Promise<string> {
  const { cast, crowd, stage, signal } = mall;
  await until('an order waits', () => crowd.newest !== undefined, signal);
  const { orderId, code } = crowd.keepFromDesk(crowd.newest!);
  const { api, close } = connectClient(StaffService, stage.config.address.staff, crowd.telemetry);

  /** The reason that it is refused for; empty for none. */
  async function answer(request: () => Promise<unknown>): Promise<string> {
    let reason: string | undefined;
    const isAnswered = async () => {
      try {
        await request();
        reason = '';
      } catch (thrown) {
        const error = MallError.from(thrown);
        if (error.code === 'FAILED_PRECONDITION') reason = error.detail.reason;
        else await mall.pass(againAfterMs);
      }
      return reason !== undefined;
    };
    await until('Orders answers', isAnswered, signal);
    return reason!;
  }

  const typed = (pickupCode: string) => answer(() => api.handOver({ orderId, pickupCode, identityReason: '' }));
  const guess = async () => {
    for (const wrong of wrongCodes(code)) {
      const [reason] = await Promise.all([typed(wrong), cast.end('orders', 'SIGKILL', signal)]);
      if (reason !== 'PICKUP_CODE_WRONG') break;
    }
    const reason = await typed(code);
    const idempotencyKey = newId();
    await answer(() => api.cancelOrder({ orderId, idempotencyKey, reason: 'its code was guessed' }));
    if (reason === 'PICKUP_LOCKED') return `orders, with ${maxWrongCodes} wrong codes for one order`;
    const message = `after ${maxWrongCodes} wrong codes the right one is ${reason ? `answered with ${reason}` : 'taken'}`;
    throw new PromiseBroken('a wrong pickup code counts', message);
  };
  try {
    const { order } = await api.showOrder({ orderId });
    return await atDesk(order!, 'guess', crowd.telemetry, guess);
  } finally {
    close();
  }
}

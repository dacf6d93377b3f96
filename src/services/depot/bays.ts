import type { Draft } from '../../contract/message.ts';
import type { Orm } from '../../database/port.ts';
import { bayAssigned } from './decide.ts';
import { fillBays } from './store.ts';

/** Gives free bays to the lists that wait for one. The caller holds the bays' lock. */
export async function giveOutBays(orm: Orm, now: Date): Promise<readonly Draft[]> {
  return (await fillBays(orm, now)).map(({ orderId, bay }) => bayAssigned(orderId, bay));
}

import type { Draft } from '../../contract/message.ts';
import type { Orm } from '../../database/port.ts';
import { fillBays } from './bay-store.ts';
import { bayAssigned } from './decide.ts';

/** Gives free bays to the lists that wait for one. The caller holds the bays' lock. */
export async function giveOutBays(orm: Orm, now: Date): Promise<readonly Draft[]> {
  return (await fillBays(orm, now)).map(({ orderId, bay }) => bayAssigned(orderId, bay));
}

import { notFound, quoted } from '../contract/errors.ts';
import type { StaffService } from '../gen/staff/v1/staff.ts';
import type { Api } from '../rpc/api.ts';
import { idByEnd } from './id-by-end.ts';

/** Characters of an id's end that tables show. Its beginning is a time, and so much the same for all. */
const shownChars = 8;

/** The newest orders, which are searched beside the pickups: as many as Orders lists at once. */
const searchedOrders = 1_000;

export const shortId = (orderId: string): string => orderId.slice(-shownChars);

/**
 * The id that `given` stands for: itself, or that of the one pickup or newer order whose id ends so.
 * @throws MallError INVALID_ARGUMENT (not an id, or the end of several), NOT_FOUND
 */
export async function orderIdOf(
  given: string,
  api: Pick<Api<StaffService>, 'listPickups' | 'listOrders'>,
): Promise<string> {
  const id = await idByEnd('order', given, async () => {
    const [{ pickups }, { orders }] = await Promise.all([
      api.listPickups({ pageSize: searchedOrders, pageToken: '' }),
      api.listOrders({ states: [], limit: searchedOrders }),
    ]);
    return [...pickups.flatMap(({ order }) => order ?? []), ...orders].map(({ orderId }) => orderId);
  });
  if (id) return id;
  const remedy = `no id in "mallbots staff pickups" or among the newest ${searchedOrders} orders ends with ${quoted(given)}; give the whole id`;
  throw notFound('order', 'order', given, remedy);
}

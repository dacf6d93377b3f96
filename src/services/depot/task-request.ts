import { type Draft, draft } from '../../contract/message.ts';
import { kinds } from '../../gen/kinds.ts';
import type { KnownStore, ListLine, Position } from './messages.ts';
import { planRoute } from './route.ts';

/** How many bots may try: one crash or flat battery is everyday, five in a row means that the task itself is what stops them. */
const maxAttempts = 5;

export interface Walk {
  /** In walking order. */
  readonly stores: readonly KnownStore[];
  /** From the depot and back. */
  readonly metres: number;
}

export function walkThrough(storeIds: Iterable<string>, known: ReadonlyMap<string, KnownStore>): Walk {
  const places = [...new Set(storeIds)].map((id) => ({ id, position: known.get(id)!.position }));
  const { stops, metres } = planRoute(places);
  return { stores: stops.map(({ id }) => known.get(id)!), metres };
}

type Item = Pick<ListLine, 'lineId' | 'productId' | 'sku' | 'name' | 'quantity' | 'storeId'>;

/** The stops of a walk with what is to be done at each, as the tasks of every kind have them. */
export const stopsOf = ({ stores }: Walk, items: readonly Item[]) =>
  stores.map(({ storeId, name, position }) => ({
    storeId,
    storeName: name,
    place: position,
    items: items.filter((item) => item.storeId === storeId),
  }));

export interface TaskRequest {
  readonly taskId: string;
  readonly orderId: string;
  /** The revision of its kind. */
  readonly schema: { readonly kind: string; readonly revision: number; readonly digest: string };
  readonly payload: Uint8Array;
  readonly priority: number;
  /** Where the work begins. */
  readonly position: Position;
  readonly deadline?: Date;
  readonly onlyBotId?: string;
}

/** The command to the hub. A list is the order itself; what else is to be done about an order begins whenever its bot comes, and is a trace of its own. */
export function requestTask(request: TaskRequest): Draft {
  const { orderId, schema, payload, deadline, onlyBotId = '' } = request;
  const { kind, revision, digest } = schema;
  return draft(
    'depot.task_requested',
    orderId,
    {
      ...request,
      schema: { kind, revision, digest },
      payload: Buffer.from(payload),
      maxAttempts,
      deadline,
      onlyBotId,
    },
    { startsTrace: kind === kinds.shop.kind ? '' : `request ${kind}` },
  );
}

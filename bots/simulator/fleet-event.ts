import { type AbortCause, type ProtocolStatus, RevisionStatus } from '../sdk/index.ts';

interface OnTour {
  readonly botId: string;
  readonly orderId: string;
  readonly taskId: string;
}

/** What happens on the floor, for whoever tells of it. */
export type FleetEvent =
  | { readonly type: 'connected'; readonly botId: string; readonly hubId: string; readonly epoch: number }
  /** Tried again and not let in: `reason` is what the hub, or the network, said. */
  | { readonly type: 'kept_out'; readonly botId: string; readonly reason: string }
  | { readonly type: 'refused'; readonly botId: string; readonly error: Error }
  | ({ readonly type: 'tour_started'; readonly attempt: number; readonly stops: number } & OnTour)
  | ({ readonly type: 'stop_reached'; readonly storeName: string } & OnTour)
  | ({ readonly type: 'item_picked' | 'item_short'; readonly name: string; readonly quantity: number } & OnTour)
  | ({ readonly type: 'delivered'; readonly walkedMetres: number } & OnTour)
  | ({
      readonly type: 'tour_aborted' | 'return_aborted' | 'errand_aborted';
      readonly why: AbortCause | 'failed';
    } & OnTour)
  | ({ readonly type: 'return_started'; readonly attempt: number; readonly stops: number } & OnTour)
  | ({ readonly type: 'goods_collected'; readonly bay: string } & OnTour)
  | ({ readonly type: 'item_returned'; readonly name: string; readonly quantity: number } & OnTour)
  | ({ readonly type: 'returned'; readonly walkedMetres: number } & OnTour)
  | ({ readonly type: 'errand_started' | 'errand_done'; readonly kind: string } & OnTour)
  | {
      readonly type: 'revision_applied' | 'revision_rejected';
      readonly botId: string;
      readonly kind: string;
      readonly revision: number;
      readonly digest: string;
      /** Why it is rejected. */
      readonly reason: string;
    }
  | { readonly type: 'crashed' | 'rebooted' | 'disconnected' | 'charging' | 'charged'; readonly botId: string };

/** What is worth telling of how far a bot is with a revision: how that ended. */
export function revisionEvent(botId: string, { schema, status, reason }: ProtocolStatus): FleetEvent | undefined {
  const { kind, revision, digest } = schema!;
  const about = { botId, kind, revision, digest, reason };
  if (status === RevisionStatus.APPLIED) return { type: 'revision_applied', ...about };
  if (status === RevisionStatus.REJECTED) return { type: 'revision_rejected', ...about };
  return undefined;
}

export interface FleetStats {
  readonly bots: number;
  readonly connected: number;
  readonly tours: { readonly started: number; readonly delivered: number; readonly aborted: number };
  readonly returns: { readonly started: number; readonly done: number; readonly aborted: number };
  /** Tasks of kinds that no robot was made for. */
  readonly errands: { readonly started: number; readonly done: number; readonly aborted: number };
  readonly revisions: { readonly applied: number; readonly rejected: number };
  /** Units. */
  readonly picked: number;
  readonly short: number;
  readonly returned: number;
  readonly crashes: number;
  readonly disconnects: number;
  readonly walkedMetres: number;
}

/** Adds up what is told. */
export class Tally {
  readonly #counts = new Map<FleetEvent['type'], number>();
  #picked = 0;
  #short = 0;
  #returned = 0;
  #walkedMetres = 0;

  add(event: FleetEvent): void {
    this.#counts.set(event.type, this.#count(event.type) + 1);
    if (event.type === 'item_picked') this.#picked += event.quantity;
    if (event.type === 'item_short') this.#short += event.quantity;
    if (event.type === 'item_returned') this.#returned += event.quantity;
    if (event.type === 'delivered' || event.type === 'returned') this.#walkedMetres += event.walkedMetres;
  }

  stats(bots: number, connected: number): FleetStats {
    return {
      bots,
      connected,
      tours: {
        started: this.#count('tour_started'),
        delivered: this.#count('delivered'),
        aborted: this.#count('tour_aborted'),
      },
      returns: {
        started: this.#count('return_started'),
        done: this.#count('returned'),
        aborted: this.#count('return_aborted'),
      },
      errands: {
        started: this.#count('errand_started'),
        done: this.#count('errand_done'),
        aborted: this.#count('errand_aborted'),
      },
      revisions: { applied: this.#count('revision_applied'), rejected: this.#count('revision_rejected') },
      picked: this.#picked,
      short: this.#short,
      returned: this.#returned,
      crashes: this.#count('crashed'),
      disconnects: this.#count('disconnected'),
      walkedMetres: this.#walkedMetres,
    };
  }

  #count(type: FleetEvent['type']): number {
    return this.#counts.get(type) ?? 0;
  }
}

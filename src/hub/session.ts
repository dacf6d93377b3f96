import { MallError, unavailable } from '../contract/errors.ts';

/**
 * One stream of a bot. What outlives it is in the database: a bot whose stream ended is detached, its leases run on, and it comes back with the
 * next epoch, on whichever hub.
 *
 * | state      | hello   | admitted | frame  | drain         | goodbye, halfClosed | failed, refused, overdue, flooded, overflowed, superseded, gone |
 * |------------|---------|----------|--------|---------------|---------------------|-----------------------------------------------------------------|
 * | HELLO_WAIT | SYNC    | -        | CLOSED | CLOSED        | CLOSED              | CLOSED                                                          |
 * | SYNC       | nack    | READY    | nack   | CLOSED        | CLOSED              | CLOSED                                                          |
 * | READY      | nack    | -        | handle | DRAINING      | CLOSED              | CLOSED                                                          |
 * | DRAINING   | nack    | -        | handle | same          | CLOSED              | CLOSED                                                          |
 * | CLOSED     | -       | detach   | -      | -             | -                   | -                                                               |
 *
 * Leaving READY or DRAINING for CLOSED detaches; by goodbye it gives the leases back too.
 */
export type SessionState = 'HELLO_WAIT' | 'SYNC' | 'READY' | 'DRAINING' | 'CLOSED';

export type SessionInput =
  | { readonly type: 'hello' }
  /** The hello has an impossible field, or the bot id is taken. */
  | { readonly type: 'refused'; readonly error: MallError }
  | { readonly type: 'admitted' }
  /** Any other frame; `malformed` says why it cannot be read. */
  | { readonly type: 'frame'; readonly malformed?: string }
  /** Everything that came before it has been handled. */
  | { readonly type: 'goodbye' }
  | { readonly type: 'halfClosed' }
  /** The hub goes away; `drained` ends what is left. */
  | { readonly type: 'drain' }
  | { readonly type: 'drained' }
  | { readonly type: 'overdue'; readonly afterMs: number }
  | { readonly type: 'superseded'; readonly epoch: number }
  /** The bot sends more, or has more refused, than agreed. */
  | { readonly type: 'flooded'; readonly what: 'frames' | 'refused frames'; readonly perSecond: number }
  /** The bot does not read what it is sent. */
  | { readonly type: 'overflowed' }
  | { readonly type: 'silent'; readonly forMs: number }
  | { readonly type: 'failed'; readonly error: MallError }
  /** The transport is gone. */
  | { readonly type: 'gone' };

export type SessionEffect =
  | { readonly type: 'admit' }
  | { readonly type: 'open' }
  | { readonly type: 'handle' }
  | { readonly type: 'nack'; readonly message: string }
  | { readonly type: 'announceDrain' }
  | { readonly type: 'detach'; readonly giveBack: boolean }
  /** With OK when there is no error. */
  | { readonly type: 'close'; readonly error: MallError | undefined };

export interface SessionStep {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
}

export function decideSession(state: SessionState, input: SessionInput): SessionStep {
  if (state === 'CLOSED') {
    // The admission was under way when the stream ended.
    return stay(state, ...(input.type === 'admitted' ? [{ type: 'detach', giveBack: false } as const] : []));
  }
  switch (input.type) {
    case 'hello':
      if (state === 'HELLO_WAIT') return go('SYNC', { type: 'admit' });
      return stay(state, { type: 'nack', message: 'body is a second hello; open a new stream to say hello again' });
    case 'admitted':
      return go('READY', { type: 'open' });
    case 'frame':
      if (state === 'HELLO_WAIT')
        return close(state, broken(`${input.malformed ?? 'the first frame is not a hello'}; say hello first`));
      if (state === 'SYNC') return stay(state, { type: 'nack', message: 'body came before the welcome; wait for it' });
      return stay(state, { type: 'handle' });
    case 'drain':
      if (state === 'READY') return go('DRAINING', { type: 'announceDrain' });
      return state === 'DRAINING' ? stay(state) : close(state, leaving());
    case 'drained':
      return close(state, leaving());
    case 'goodbye':
      return close(state, undefined, true);
    case 'halfClosed':
      return close(
        state,
        state === 'HELLO_WAIT' ? broken('the stream ended without a hello; say hello first') : undefined,
      );
    case 'gone':
      return close(state, undefined);
    case 'overdue':
      return state === 'HELLO_WAIT'
        ? close(state, broken(`no hello within ${input.afterMs} ms; say hello first`))
        : stay(state);
    case 'refused':
    case 'failed':
      return close(state, input.error);
    case 'superseded':
      return close(state, superseded(input.epoch));
    case 'flooded': {
      const reason = input.what === 'frames' ? 'FRAME_RATE_EXCEEDED' : 'REFUSAL_RATE_EXCEEDED';
      return close(state, exhausted(reason, `more than ${input.perSecond} ${input.what} a second; send fewer`));
    }
    case 'overflowed':
      return close(state, exhausted('CONSUMER_TOO_SLOW', 'frames to this bot are not read; read faster'));
    case 'silent':
      return close(state, unavailable(`no heartbeat for ${input.forMs} ms; connect again`, 'SILENT'));
    default:
      return input satisfies never;
  }
}

const stay = (state: SessionState, ...effects: SessionEffect[]): SessionStep => ({ state, effects });
const go = stay;

function close(state: SessionState, error: MallError | undefined, giveBack = false): SessionStep {
  const opened = state === 'READY' || state === 'DRAINING';
  const detach = opened ? [{ type: 'detach', giveBack } as const] : [];
  return { state: 'CLOSED', effects: [...detach, { type: 'close', error }] };
}

const broken = (message: string) => new MallError('INVALID_ARGUMENT', message, { reason: 'HANDSHAKE', field: 'hello' });
const leaving = () => unavailable('this hub goes away; connect again', 'HUB_DRAINING');
const exhausted = (reason: string, message: string) => new MallError('RESOURCE_EXHAUSTED', message, { reason });
const superseded = (epoch: number) =>
  new MallError('ABORTED', `a newer stream of this bot has epoch ${epoch}`, { reason: 'SUPERSEDED' });

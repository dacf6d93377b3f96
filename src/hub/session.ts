import { MallError, unavailable } from '../contract/errors.ts';

/**
 * A bot's session as this hub has it: until the bot is admitted it is one stream, from then on streams come and go below it. Each that comes
 * has an epoch one above the last, and what is left of an older one does nothing.
 *
 * | state      | hello | admitted | handedOver | resumed         | frame  | drain    | goodbye           | lost     | superseded | drained  | graceOver |
 * |------------|-------|----------|------------|-----------------|--------|----------|-------------------|----------|------------|----------|-----------|
 * | HELLO_WAIT | SYNC  | -        | -          | -               | CLOSED | CLOSED   | CLOSED            | CLOSED   | CLOSED     | CLOSED   | -         |
 * | SYNC       | nack  | READY    | CLOSED     | -               | nack   | CLOSED   | CLOSED            | CLOSED   | CLOSED     | CLOSED   | -         |
 * | READY      | nack  | -        | -          | READY, next     | handle | DRAINING | CLOSED, give back | DETACHED | CLOSED     | DETACHED | -         |
 * | DRAINING   | nack  | -        | -          | READY, next     | handle | same     | CLOSED, give back | DETACHED | CLOSED     | DETACHED | -         |
 * | DETACHED   | -     | -        | -          | READY, next     | -      | same     | -                 | -        | EXPIRED    | EXPIRED  | EXPIRED   |
 * | EXPIRED    | -     | -        | -          | -               | -      | -        | -                 | -        | -          | -        | -         |
 * | CLOSED     | -     | detach   | -          | -               | -      | -        | -                 | -        | -          | -        | -         |
 *
 * lost: halfClosed, gone, failed, flooded, overflowed, silent; before the admission also refused and overdue. next: the epoch is the new
 * stream's; the older stream, if it is still open, ends. Whatever ends a session or its stream withdraws the offers that it carried; by
 * goodbye leases are given back too. An input of a stream whose epoch is below the session's changes nothing, and neither does the
 * grace of an earlier loss.
 */
export type SessionState =
  | { readonly at: 'HELLO_WAIT' | 'SYNC' }
  | { readonly at: 'READY' | 'DRAINING'; readonly epoch: number }
  | { readonly at: 'DETACHED'; readonly epoch: number }
  | { readonly at: 'EXPIRED' | 'CLOSED' };

/** What a stream brings; `epoch` is the stream's, 0 until it is admitted. */
export type StreamInput = { readonly epoch: number } & (
  | { readonly type: 'hello' }
  /** Any other frame; `malformed` says why it cannot be read. */
  | { readonly type: 'frame'; readonly malformed?: string }
  /** Everything that came before it has been handled. */
  | { readonly type: 'goodbye' }
  | { readonly type: 'halfClosed' }
  | { readonly type: 'overdue'; readonly afterMs: number }
  /** The bot sends more, or has more refused, than agreed. */
  | { readonly type: 'flooded'; readonly what: 'frames' | 'refused frames'; readonly perSecond: number }
  | { readonly type: 'failed'; readonly error: MallError }
  /** The transport is gone. */
  | { readonly type: 'gone' }
);

export type SessionInput =
  | StreamInput
  /** The hello has an impossible field, or the bot id is taken. */
  | { readonly type: 'refused'; readonly error: MallError }
  /** As a session of its own. */
  | { readonly type: 'admitted'; readonly epoch: number }
  /** The stream goes on under the session that the bot has here already, which is told `resumed`. */
  | { readonly type: 'handedOver' }
  | { readonly type: 'resumed'; readonly epoch: number }
  /** The hub goes away; `drained` ends what is left. */
  | { readonly type: 'drain' }
  | { readonly type: 'drained' }
  /** The bot has another session, here or elsewhere, or this one goes on elsewhere. */
  | { readonly type: 'superseded'; readonly epoch: number }
  /** The bot does not read what it is sent. */
  | { readonly type: 'overflowed' }
  | { readonly type: 'silent'; readonly forMs: number }
  /** Nobody came back in time after the stream of `epoch` was lost. */
  | { readonly type: 'graceOver'; readonly epoch: number };

export type SessionEffect =
  | { readonly type: 'admit' }
  /** Welcome, and on a resume what the bot has not acknowledged. */
  | { readonly type: 'open' }
  | { readonly type: 'handle' }
  | { readonly type: 'nack'; readonly message: string }
  | { readonly type: 'announceDrain' }
  /** The bot has no stream here any more. `resumable`: what it needs to go on is kept, until the grace is over. */
  | { readonly type: 'detach'; readonly giveBack: boolean; readonly resumable: boolean }
  /** Ends the stream, with OK when there is no error. */
  | { readonly type: 'end'; readonly error: MallError | undefined }
  | { readonly type: 'forget' };

export interface SessionStep {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
}

export function decideSession(state: SessionState, input: SessionInput): SessionStep {
  switch (state.at) {
    case 'HELLO_WAIT':
    case 'SYNC':
      return beforeAdmission(state.at, input);
    case 'READY':
    case 'DRAINING':
      return isOutdated(state.epoch, input) ? go(state) : withStream(state, input);
    case 'DETACHED':
      return detached(state, input);
    case 'EXPIRED':
    case 'CLOSED':
      // The admission was under way when the stream ended.
      return input.type === 'admitted' ? go(state, detach({})) : go(state);
    default:
      return state satisfies never;
  }
}

function isOutdated(epoch: number, input: SessionInput): boolean {
  return input.type === 'superseded' || input.type === 'resumed'
    ? input.epoch <= epoch
    : 'epoch' in input && input.epoch < epoch;
}

function beforeAdmission(at: 'HELLO_WAIT' | 'SYNC', input: SessionInput): SessionStep {
  switch (input.type) {
    case 'hello':
      return at === 'HELLO_WAIT' ? go({ at: 'SYNC' }, { type: 'admit' }) : go({ at }, secondHello);
    case 'admitted':
      return go({ at: 'READY', epoch: input.epoch }, { type: 'open' });
    case 'handedOver':
      return go({ at: 'CLOSED' });
    case 'frame':
      return at === 'SYNC'
        ? go({ at }, { type: 'nack', message: 'body came before the welcome; wait for it' })
        : close(broken(`${input.malformed ?? 'the first frame is not a hello'}; say hello first`));
    case 'overdue':
      return at === 'SYNC' ? go({ at }) : close(late(input.afterMs));
    case 'goodbye':
    case 'halfClosed':
      return close(at === 'SYNC' ? undefined : broken('the stream ended without a hello; say hello first'));
    case 'drain':
    case 'drained':
    case 'refused':
    case 'superseded':
    case 'overflowed':
    case 'silent':
    case 'failed':
    case 'flooded':
    case 'gone':
      return close(endOf(input));
    case 'resumed':
    case 'graceOver':
      return go({ at });
    default:
      return input satisfies never;
  }
}

function withStream(state: Extract<SessionState, { at: 'READY' | 'DRAINING' }>, input: SessionInput): SessionStep {
  switch (input.type) {
    case 'hello':
      return go(state, secondHello);
    case 'frame':
      return go(state, { type: 'handle' });
    case 'drain':
      return state.at === 'READY' ? go({ ...state, at: 'DRAINING' }, { type: 'announceDrain' }) : go(state);
    case 'resumed':
      return go({ at: 'READY', epoch: input.epoch }, { type: 'end', error: superseded(input.epoch) }, { type: 'open' });
    case 'goodbye':
      return close(undefined, detach({ giveBack: true }));
    case 'superseded':
      return close(superseded(input.epoch), detach({}));
    case 'halfClosed':
    case 'gone':
    case 'failed':
    case 'flooded':
    case 'overflowed':
    case 'silent':
    case 'drained':
      return go({ at: 'DETACHED', epoch: state.epoch }, detach({ resumable: true }), {
        type: 'end',
        error: endOf(input),
      });
    case 'admitted':
    case 'handedOver':
    case 'refused':
    case 'overdue':
    case 'graceOver':
      return go(state);
    default:
      return input satisfies never;
  }
}

function detached(state: Extract<SessionState, { at: 'DETACHED' }>, input: SessionInput): SessionStep {
  switch (input.type) {
    case 'resumed':
      return input.epoch > state.epoch ? go({ at: 'READY', epoch: input.epoch }, { type: 'open' }) : go(state);
    case 'superseded':
      return input.epoch > state.epoch ? go({ at: 'EXPIRED' }, { type: 'forget' }) : go(state);
    case 'graceOver':
      return input.epoch === state.epoch ? go({ at: 'EXPIRED' }, { type: 'forget' }) : go(state);
    case 'drained':
      return go({ at: 'EXPIRED' }, { type: 'forget' });
    default:
      // There is no stream that it could be about.
      return go(state);
  }
}

const go = (state: SessionState, ...effects: SessionEffect[]): SessionStep => ({ state, effects });

const detach = ({ giveBack = false, resumable = false }): SessionEffect => ({ type: 'detach', giveBack, resumable });

const close = (error: MallError | undefined, ...effects: SessionEffect[]): SessionStep =>
  go({ at: 'CLOSED' }, ...effects, { type: 'end', error });

const secondHello: SessionEffect = {
  type: 'nack',
  message: 'body is a second hello; open a new stream to say hello again',
};

type Ending = Extract<
  SessionInput,
  {
    type:
      | 'drain'
      | 'drained'
      | 'refused'
      | 'superseded'
      | 'overflowed'
      | 'silent'
      | 'failed'
      | 'flooded'
      | 'gone'
      | 'halfClosed';
  }
>;

/** What the bot is told when its stream ends; undefined is OK. */
function endOf(input: Ending): MallError | undefined {
  switch (input.type) {
    case 'gone':
    case 'halfClosed':
      return undefined;
    case 'drain':
    case 'drained':
      return unavailable('this hub goes away; connect again', 'HUB_DRAINING');
    case 'refused':
    case 'failed':
      return input.error;
    case 'superseded':
      return superseded(input.epoch);
    case 'overflowed':
      return exhausted('CONSUMER_TOO_SLOW', 'frames to this bot are not read; read faster');
    case 'silent':
      return unavailable(`no heartbeat for ${input.forMs} ms; connect again`, 'SILENT');
    case 'flooded': {
      const reason = input.what === 'frames' ? 'FRAME_RATE_EXCEEDED' : 'REFUSAL_RATE_EXCEEDED';
      return exhausted(reason, `more than ${input.perSecond} ${input.what} a second; send fewer`);
    }
    default:
      return input satisfies never;
  }
}

const broken = (message: string) => new MallError('INVALID_ARGUMENT', message, { reason: 'HANDSHAKE', field: 'hello' });
/** Nothing is wrong with the bot: its line may be slow, and it is to try again. */
const late = (afterMs: number) =>
  new MallError('DEADLINE_EXCEEDED', `no hello within ${afterMs} ms; connect again`, { reason: 'HANDSHAKE' });
const exhausted = (reason: string, message: string) => new MallError('RESOURCE_EXHAUSTED', message, { reason });
const superseded = (epoch: number) =>
  new MallError('ABORTED', `a newer stream of this bot has epoch ${epoch}`, { reason: 'SUPERSEDED' });

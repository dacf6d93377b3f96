import { EventEmitter } from 'node:events';
import { status } from '@grpc/grpc-js';
import type { HubCall } from '../../bots/sdk/uplink.ts';
import { BotFrame, HubFrame } from '../../src/gen/fleet/v1/fleet.ts';
import type { SizedFrame } from '../../src/hub/envelope.ts';
import type { Call } from '../../src/hub/outbound.ts';

interface Ending {
  readonly code: number;
  readonly details: string;
}

class BotEnd extends EventEmitter {
  readonly #line: Line;
  constructor(line: Line) {
    super();
    this.#line = line;
  }
  write(frame: BotFrame): boolean {
    this.#line.up.push(BotFrame.encode(frame).finish());
    return true;
  }
  end(): void {
    this.#line.up.push('end');
  }
  cancel(): void {
    this.#line.breaks({ code: status.CANCELLED, details: 'cancelled' });
  }
}

class HubEnd extends EventEmitter {
  readonly writableNeedDrain = false;
  cancelled = false;
  isPaused = false;
  readonly #line: Line;
  constructor(line: Line) {
    super();
    this.#line = line;
    // As grpc-js does: an error is the status of the stream.
    this.on('error', ({ code, details }: Ending) => this.#line.down.push({ code, details }));
  }
  write(frame: HubFrame): boolean {
    this.#line.down.push(HubFrame.encode(HubFrame.fromPartial(frame)).finish());
    return true;
  }
  end(): void {
    this.#line.down.push({ code: status.OK, details: '' });
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  getPeer(): string {
    return 'a bot';
  }
}

/** One stream, with what is on its way: in order, and for as long as the test likes. */
export class Line {
  readonly up: Array<Uint8Array | 'end'> = [];
  readonly down: Array<Uint8Array | Ending> = [];
  readonly #bot = new BotEnd(this);
  readonly #hub = new HubEnd(this);
  #isBroken = false;

  get botEnd(): HubCall {
    return this.#bot as unknown as HubCall;
  }

  get hubEnd(): Call {
    return this.#hub as unknown as Call;
  }

  /** The hub has been told that it is over. */
  get isOver(): boolean {
    return this.#hub.cancelled;
  }

  /** Brings up to `count` frames to the hub. */
  carryUp(count: number): void {
    for (let left = count; left > 0 && !this.#hub.cancelled && !this.#hub.isPaused; left--) {
      const item = this.up.shift();
      if (item === undefined) break;
      if (item === 'end') this.#hub.emit('end');
      else
        this.#hub.emit('data', Object.assign(BotFrame.decode(item), { wireBytes: item.length }) satisfies SizedFrame);
    }
    if (this.#isBroken && this.up.length === 0) this.hangUp();
  }

  carryDown(count: number): void {
    for (let left = count; left > 0 && !this.#isBroken; left--) {
      const item = this.down.shift();
      if (item === undefined) return;
      if (item instanceof Uint8Array) this.#bot.emit('data', HubFrame.decode(item));
      else this.breaks(item);
    }
  }

  /** The bot knows at once; what it sent may still arrive, and the hub knows only behind that, or by `hangUp`. */
  breaks(how: Ending = { code: status.UNAVAILABLE, details: 'cut' }): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.down.length = 0;
    this.#bot.emit('end');
    this.#bot.emit('status', how);
  }

  /** Both know, and what is on its way is lost. */
  reset(): void {
    this.up.length = 0;
    this.breaks();
    this.hangUp();
  }

  /** The hub knows: what has not arrived is lost. */
  hangUp(): void {
    this.up.length = 0;
    if (this.#hub.cancelled) return;
    this.#hub.cancelled = true;
    this.#hub.emit('cancelled');
  }
}

import { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import type { Board } from '../gen/staff/v1/staff.ts';
import { stopSignal } from '../runtime/stop-signal.ts';
import { atDesk } from './at-desk.ts';
import { boardChanges, changeJson, changeText } from './board-changes.ts';
import { boardScreen } from './board-screen.ts';
import { terminalColumns } from './output.ts';
import { whileRead, writePaced } from './paced-output.ts';
import { resumed, tellLost } from './resumed.ts';

/** Ages on the screen grow by themselves. ms */
const redrawMs = 1_000;
/** Where the terminal does not say how high it is. */
const defaultRows = 24;

const help = `
On a terminal it is redrawn in place, until Ctrl-C. Elsewhere, and with --json,
it is first a line for each thing on it, then one for each change.

Examples:
  $ mallbots staff watch
  $ mallbots staff watch | grep bay
  $ mallbots staff watch --json | jq -c 'select(.what == "order" and .gone)'`;

export const watchCommand = (): Command =>
  new Command('watch')
    .description('bays, orders and robots as they are now, and on')
    .addHelpText('after', help)
    .action((_options, command: Command) =>
      atDesk(command, async (api, json) => {
        const signal = whileRead(stopSignal());
        const isScreen = process.stdout.isTTY && !json;
        const view = isScreen ? new Screen() : new Lines(json, signal);
        try {
          for await (const board of resumed(
            () => api.watchBoard({}, { signal }),
            (error) => view.lost(error),
            signal,
          )) {
            await view.show(board);
          }
        } finally {
          view.end();
        }
      }),
    );

/** A line per change. */
class Lines {
  readonly #json: boolean;
  readonly #signal: AbortSignal;
  #before: Board | undefined;

  constructor(json: boolean, signal: AbortSignal) {
    this.#json = json;
    this.#signal = signal;
  }

  async show(board: Board): Promise<void> {
    const tell = this.#json ? changeJson : changeText;
    for (const change of boardChanges(this.#before, board)) {
      await writePaced(`${tell(change, board.at!)}\n`, this.#signal);
    }
    this.#before = board;
  }

  lost(error: Error): void {
    tellLost(error);
  }

  end(): void {}
}

/** One place on the terminal that is drawn again and again; the last board stays when it ends. */
class Screen {
  readonly #draw = createLogUpdate(process.stdout);
  readonly #redraw = () => this.#drawNow();
  readonly #timer = setInterval(this.#redraw, redrawMs);
  #board: Board | undefined;
  #note = '';

  constructor() {
    process.stdout.on('resize', this.#redraw);
  }

  async show(board: Board): Promise<void> {
    this.#board = board;
    this.#note = '';
    this.#drawNow();
  }

  lost(_error: Error): void {
    this.#note = 'not live: the staff role cannot be reached, tried again';
    this.#drawNow();
  }

  end(): void {
    clearInterval(this.#timer);
    process.stdout.off('resize', this.#redraw);
    this.#draw.done();
  }

  #drawNow(): void {
    if (!this.#board) return;
    // The cursor waits in the line below.
    const size = { columns: terminalColumns(), rows: (process.stdout.rows || defaultRows) - 1 };
    this.#draw(boardScreen(this.#board, size, new Date(), this.#note));
  }
}

import type { Position } from '../gen/fleet/v1/fleet.ts';
import type { Candidate, Near } from './assign.ts';

/** Metres along the edge of a cell: a few robots stand in one, and who walks is seconds on his way through it. */
const cellMetres = 8;
/** More than there are rows of cells on any floor, so that column and row make one number. */
const mostRows = 2 ** 26;

interface Cell {
  readonly column: number;
  readonly row: number;
  readonly bots: Map<string, Candidate>;
}

/** Cells, of which the bots are `atLeast` so many metres away. */
interface Ring {
  readonly atLeast: number;
  readonly cells: readonly Cell[];
}

/** The bots that have room for a kind, by where they stand: those near a point are found without a look at the others. */
export class Floor {
  readonly #cells = new Map<number, Cell>();
  /** Of whom nobody knows where they are: farther than all others. */
  readonly #lost = new ByLoad();
  /** Wherever they are, for tasks that are anywhere. */
  readonly #all = new ByLoad();

  get isEmpty(): boolean {
    return this.#all.isEmpty;
  }

  set(bot: Candidate): void {
    this.#all.set(bot);
    const { position, botId } = bot;
    if (!position) {
      this.#lost.set(bot);
      return;
    }
    const key = cellOf(position);
    const cell = this.#cells.get(key);
    if (cell) cell.bots.set(botId, bot);
    else this.#cells.set(key, { ...columnAndRow(position), bots: new Map([[botId, bot]]) });
  }

  /** `bot` as it was set, or as it stands in the same cell. */
  delete(bot: Candidate): void {
    this.#all.delete(bot);
    const { position, botId } = bot;
    if (!position) {
      this.#lost.delete(bot);
      return;
    }
    const key = cellOf(position);
    const cell = this.#cells.get(key);
    if (cell?.bots.delete(botId) && cell.bots.size === 0) this.#cells.delete(key);
  }

  /** The nearest first; of those that are as far the one with less to do. */
  *from(point: Position | undefined): Iterable<Near> {
    if (point) yield* this.#near(point);
    for (const bot of point ? this.#lost : this.#all) yield { bot, far: Number.POSITIVE_INFINITY };
  }

  *#near(point: Position): Iterable<Near> {
    let known: Near[] = [];
    for (const { atLeast, cells } of this.#ringsFrom(point)) {
      // Nothing that is still to come is nearer than these.
      const sure = known.findIndex(({ far }) => far >= atLeast ** 2);
      const isAll = sure === -1;
      yield* isAll ? known : known.slice(0, sure);
      known = isAll ? [] : known.slice(sure);
      for (const { bots } of cells) {
        for (const bot of bots.values()) known.push({ bot, far: squaredMetres(bot.position!, point) });
      }
      known.sort((a, b) => a.far - b.far || a.bot.load - b.bot.load);
    }
    yield* known;
  }

  /**
   * From the point's own cell outwards. Where more cells have been looked into than there are with bots in them, the rest is put in order instead: all
   * may stand at the far end of the mall.
   */
  *#ringsFrom(point: Position): Iterable<Ring> {
    const { column, row } = columnAndRow(point);
    let left = this.#cells.size;
    let ring = 0;
    for (; left > 0 && (2 * ring + 1) ** 2 <= this.#cells.size + 8; ring += 1) {
      const cells = this.#ring(column, row, ring);
      left -= cells.length;
      yield { atLeast: (ring - 1) * cellMetres, cells };
    }
    if (left === 0) return;
    const ringOf = (cell: Cell) => Math.max(Math.abs(cell.column - column), Math.abs(cell.row - row));
    const rest = Map.groupBy(this.#cells.values(), ringOf);
    for (const far of [...rest.keys()].filter((key) => key >= ring).sort((a, b) => a - b)) {
      yield { atLeast: (far - 1) * cellMetres, cells: rest.get(far)! };
    }
  }

  /** Of the cells that are so many steps away, diagonal ones included, those with bots. */
  #ring(column: number, row: number, ring: number): Cell[] {
    const found: Cell[] = [];
    const look = (across: number, down: number) => {
      const cell = this.#cells.get(numberOf(column + across, row + down));
      if (cell) found.push(cell);
    };
    if (ring === 0) look(0, 0);
    for (let step = -ring; step < ring; step += 1) {
      look(step, -ring);
      look(ring, step);
      look(-step, ring);
      look(-ring, -step);
    }
    return found;
  }
}

/** Bots by what they have to do, and of equals in the order in which they came. */
class ByLoad implements Iterable<Candidate> {
  readonly #levels = new Map<number, Map<string, Candidate>>();

  get isEmpty(): boolean {
    return this.#levels.size === 0;
  }

  *[Symbol.iterator](): Iterator<Candidate> {
    for (const load of [...this.#levels.keys()].sort((a, b) => a - b)) yield* this.#levels.get(load)!.values();
  }

  set(bot: Candidate): void {
    const level = this.#levels.get(bot.load);
    if (level) level.set(bot.botId, bot);
    else this.#levels.set(bot.load, new Map([[bot.botId, bot]]));
  }

  delete({ botId, load }: Candidate): void {
    const level = this.#levels.get(load);
    if (level?.delete(botId) && level.size === 0) this.#levels.delete(load);
  }
}

const columnAndRow = ({ x, y }: Position) => ({ column: Math.floor(x / cellMetres), row: Math.floor(y / cellMetres) });

const numberOf = (column: number, row: number): number => column * mostRows + row;

/** What the cell is called in which a bot stands. */
export function cellOf(position: Position): number {
  const { column, row } = columnAndRow(position);
  return numberOf(column, row);
}

/** For comparing: the root costs more than all the rest. */
const squaredMetres = (a: Position, b: Position): number => (a.x - b.x) ** 2 + (a.y - b.y) ** 2;

import type { Pick, PickCommand, UnitMove } from './messages.ts';

export interface PickDecision {
  readonly pick: Pick;
  /** What the books make of it. */
  readonly moves: readonly UnitMove[];
}

export interface PickContext {
  /** Depot has said that nothing more comes back of the attempt. */
  readonly isSettled: boolean;
  /** What the books have of the product. */
  readonly stock: number;
}

/**
 * What becomes of the units that one attempt moved on account of one line. Bots' reports and Depot's word travel side by side, so this comes to
 * the same end in whatever order they arrive: the books are short of what was picked and is not back.
 *
 * | command | grows                                | moves                                                                  |
 * |---------|--------------------------------------|------------------------------------------------------------------------|
 * | take    | `picked`                             | `take`; `giveUp` too where the attempt is settled                      |
 * | miss    | `missed`, and `writtenOff` by what the books had | `writeOff` of that                                         |
 * | lose    | `writtenOff` falls to 0              | `recount` of it                                                        |
 * | putBack | `returned`, up to `picked`           | `putBack` of the difference, settled or not                            |
 * | settle  |                                      | `giveUp` of what is not back, the first time                           |
 *
 * What the books do not have cannot be missed from them: a robot may have it that lost its attempt, and bring it back. A second attempt at a
 * return may report what the first one did: a line never gets back more than was picked for it.
 */
export function decidePick(pick: Pick, command: PickCommand, { isSettled, stock }: PickContext): PickDecision {
  const { orderId, lineId, attempt } = pick;
  const move = (type: UnitMove['type'], quantity: number): UnitMove[] =>
    quantity > 0 ? [{ type, quantity, attempt, line: { orderId, lineId } }] : [];
  switch (command.type) {
    case 'take': {
      const { quantity } = command;
      const moves = [...move('take', quantity), ...(isSettled ? move('giveUp', quantity) : [])];
      return { pick: { ...pick, picked: pick.picked + quantity }, moves };
    }
    case 'miss': {
      const missing = Math.min(command.quantity, Math.max(0, stock));
      const missed = pick.missed + command.quantity;
      return { pick: { ...pick, missed, writtenOff: pick.writtenOff + missing }, moves: move('writeOff', missing) };
    }
    case 'lose':
      return { pick: { ...pick, writtenOff: 0 }, moves: move('recount', pick.writtenOff) };
    case 'putBack': {
      const quantity = Math.min(command.quantity, pick.picked - pick.returned);
      return { pick: { ...pick, returned: pick.returned + quantity }, moves: move('putBack', quantity) };
    }
    case 'settle':
      return { pick, moves: isSettled ? [] : move('giveUp', pick.picked - pick.returned) };
    default:
      return command satisfies never;
  }
}

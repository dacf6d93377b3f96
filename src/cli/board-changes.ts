import type { Board } from '../gen/staff/v1/staff.ts';
import { type BoardThing, thingsOf } from './board-view.ts';
import { shortId } from './staff-order-id.ts';

export interface BoardChange {
  readonly thing: BoardThing;
  /** It is not on the board any more. */
  readonly gone: boolean;
}

/** What is new, otherwise or gone on `after`; all that is on it where there was none before. */
export function boardChanges(before: Board | undefined, after: Board): BoardChange[] {
  const [was, is] = [before ? thingsOf(before) : new Map<string, BoardThing>(), thingsOf(after)];
  return [
    ...[...was].filter(([name]) => !is.has(name)).map(([, thing]) => ({ thing, gone: true })),
    ...[...is]
      .filter(([name, thing]) => was.get(name)?.told !== thing.told)
      .map(([, thing]) => ({ thing, gone: false })),
  ];
}

const whenGone = { bay: 'free', order: 'closed', bot: 'has left', service: 'is back' } as const;

/** "10:00:01  order 6f1c2b11 of Ada: being picked, 1/3 items, bot-1". */
export function changeText({ thing: { what, name, told }, gone }: BoardChange, at: Date): string {
  const called = what === 'order' ? shortId(name) : name;
  return `${at.toLocaleTimeString('en-GB')}  ${what} ${called} ${gone ? whenGone[what] : told}`;
}

export function changeJson({ thing, gone }: BoardChange, at: Date): string {
  const { told: _, what, name, ...fields } = thing;
  return JSON.stringify({ at: at.toISOString(), what, name, gone, ...(gone ? {} : fields) });
}

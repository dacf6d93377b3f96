import { confirm as ask, isCancel, text } from '@clack/prompts';
import { refused } from '../contract/errors.ts';

/** Whether somebody sits at a terminal. */
export const canAsk = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

/**
 * Asks before what cannot be undone. Where nobody can answer, only `--yes` does.
 * @throws MallError FAILED_PRECONDITION when the answer is no, or nobody is there to give one
 */
export async function confirm(question: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!canAsk()) {
    throw refused('--yes', '', 'NOT_CONFIRMED', `nobody can be asked here: "${question}"`, 'give --yes');
  }
  // Standard output is for what the command has to say.
  const answer = await ask({ message: question, initialValue: false, output: process.stderr });
  if (isCancel(answer) || !answer) throw refused('answer', 'no', 'NOT_CONFIRMED', 'nothing was done');
}

/**
 * What somebody at the terminal types.
 * @throws MallError FAILED_PRECONDITION when they leave it
 */
export async function askFor(what: string): Promise<string> {
  const answer = await text({ message: what, output: process.stderr });
  if (isCancel(answer)) throw refused('answer', '', 'NOT_CONFIRMED', 'nothing was done');
  return answer;
}

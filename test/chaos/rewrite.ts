/** A change of one place of a source file, made while a process loads it: the product has no code for tests in it. */
export interface Rewrite {
  /** From the repository's root. */
  readonly file: string;
  /** Stands exactly once in the file. Short, so that a change beside it does not disturb. */
  readonly find: string;
  readonly replace: string;
}

export interface Named {
  readonly name: string;
  readonly rewrites: readonly Rewrite[];
}

/**
 * `source` with the rewrites of `file` made in it.
 * @throws Error when a place is not there exactly once, with what to do
 */
export function rewritten(file: string, source: string, { name, rewrites }: Named): string {
  return rewrites
    .filter((rewrite) => rewrite.file === file)
    .reduce((changed, { find, replace }) => {
      const times = source.split(find).length - 1;
      if (times !== 1 || !changed.includes(find)) {
        throw new Error(
          `"${name}" of test/chaos looks for ${JSON.stringify(find)} in ${file} and finds it ${times} times; ` +
            'give it the place where the same thing happens now (crash-points.ts, defects.ts), as short as is unique',
        );
      }
      return changed.replace(find, () => replace);
    }, source);
}

/** Whether all of it can be made in a file that was changed already. */
export function fits(file: string, source: string, named: Named): boolean {
  try {
    rewritten(file, source, named);
    return true;
  } catch {
    return false;
  }
}

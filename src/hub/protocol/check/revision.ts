/** A revision as the check sees it. */
export interface Revision {
  /** What people know it by: "revision 3", or the directory that it comes from. */
  readonly label: string;
  /** With its imports. With source info where violations shall name lines. */
  readonly fileDescriptorSet: Uint8Array;
}

/** Full names of the messages that a kind's payloads are. */
export interface Roots {
  readonly package: string;
  readonly task: string;
  readonly progress: string;
  readonly result: string;
}

/**
 * One name for each package: a second would be a kind of its own, whose revisions are held against none of the first. Of at most 64 characters, as the
 * Hello of a bot that serves it.
 */
const kindPattern = /^(?=.{1,64}$)([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?:\.v([2-9]|[1-9]\d{1,3}))?$/;

/** Whether `kind` can be the name of one: `shop`, `inspect-shelf`, or with a major of its own, `shop.v2`. */
export const isKind = (kind: string): boolean => kindPattern.test(kind);

/** What to give instead of a name that no kind can have: the one that was meant, where that can be seen. */
export function kindRemedy(kind: string): string {
  const meant = kind.replaceAll('_', '-').replace(/\.v1$/, '');
  if (!isKind(meant)) return 'give a name such as shop, or shop.v2 for another major';
  const why = [
    ...(kind.endsWith('.v1') ? ['majors begin at v2, and what comes before is the name alone'] : []),
    ...(kind.includes('_') ? ['the words of a name are joined by -'] : []),
  ];
  return `give "${meant}": ${why.join('; ')}`;
}

/**
 * By convention, so that every SDK finds them: kind `shop` is package `kinds.shop.v1` with ShopTask, ShopProgress and ShopResult, kind
 * `shop.v2` the same in `kinds.shop.v2`. A break is a new major, which is a kind beside the old one.
 * @throws RangeError when `kind` is none
 */
export function rootsOf(kind: string): Roots {
  const [, name, major = '1'] = kindPattern.exec(kind) ?? [];
  if (name === undefined) throw new RangeError(`"${kind}" is not the name of a kind`);
  const words = name.split('-');
  const scope = `kinds.${words.join('_')}.v${major}`;
  const root = (part: string) =>
    `${scope}.${words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')}${part}`;
  return { package: scope, task: root('Task'), progress: root('Progress'), result: root('Result') };
}

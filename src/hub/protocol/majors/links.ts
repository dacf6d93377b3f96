import type { DescEnum, DescField, DescMessage } from '@bufbuild/protobuf';
import type { FieldRule, Translation } from './document.ts';

/** A field, with the messages on the way to it. */
export type Path = readonly [DescField, ...DescField[]];

/** What is the same thing in two majors; where a side is undefined, the other has it alone. */
export interface Link {
  readonly newer: Path | undefined;
  readonly older: Path | undefined;
  /** Undefined where the names say it. */
  readonly rule: FieldRule | undefined;
}

/** A field that nothing is said about, and that the other side has not. */
export interface Unlinked {
  readonly side: 'newer' | 'older';
  readonly field: DescField;
  /** From the message that the rule would stand for. */
  readonly path: string;
}

/** The name within its package. */
export const localName = ({ typeName, file }: DescMessage | DescEnum): string =>
  typeName.slice(file.proto.package.length + 1);

export const leafOf = (path: Path): DescField => path.at(-1)!;

/** The field at `path` of `message`; undefined where this revision has none, or where a list or a map is on the way. */
export function resolve(message: DescMessage, path: string): Path | undefined {
  const found: DescField[] = [];
  let at: DescMessage | undefined = message;
  for (const name of path.split('.')) {
    const field: DescField | undefined = at?.fields.find((each) => each.name === name);
    if (!field) return undefined;
    found.push(field);
    at = field.fieldKind === 'message' ? field.message : undefined;
  }
  return found as unknown as Path;
}

/**
 * What of two messages is the same: by the rules of the newer one, else by name. Rules about fields that these revisions do not have say nothing
 * here, and what only one of them knows goes lost, as an unknown field would mean nothing to the other side.
 */
export function linksOf(
  newer: DescMessage,
  older: DescMessage,
  { fields }: Pick<Translation, 'fields'>,
): { readonly links: readonly Link[]; readonly unlinked: readonly Unlinked[] } {
  const rules = fields.filter((rule) => rule.in === localName(newer));
  const taken = {
    newer: rules.flatMap((rule) => rule.newer ?? []),
    older: rules.flatMap((rule) => rule.older ?? []),
  };
  const isTaken = (side: 'newer' | 'older', name: string) =>
    taken[side].some((path) => path === name || path.startsWith(`${name}.`));
  const links: Link[] = rules.flatMap((rule): Link[] => {
    const [now, before] = [rule.newer && resolve(newer, rule.newer), rule.older && resolve(older, rule.older)];
    if ((rule.newer !== undefined && !now) || (rule.older !== undefined && !before)) return [];
    return [{ newer: now || undefined, older: before || undefined, rule }];
  });
  const free = newer.fields.filter(({ name }) => !isTaken('newer', name));
  for (const field of free) {
    const same = older.fields.find(({ name }) => name === field.name);
    if (same && !isTaken('older', same.name)) links.push({ newer: [field], older: [same], rule: undefined });
  }
  const linked = new Set(links.flatMap(({ rule, newer }) => (rule ? [] : (newer?.[0].name ?? []))));
  const unlinked = (side: 'newer' | 'older', message: DescMessage, prefix = ''): Unlinked[] =>
    message.fields.flatMap((field): Unlinked[] => {
      const path = prefix + field.name;
      if ((prefix === '' && linked.has(field.name)) || taken[side].includes(path)) return [];
      // Something in it is moved: then each thing in it has to be.
      if (isTaken(side, path) && field.message) return unlinked(side, field.message, `${path}.`);
      return [{ side, field, path }];
    });
  return { links, unlinked: [...unlinked('newer', newer), ...unlinked('older', older)] };
}

import { invalid, notFound } from '../contract/errors.ts';
import type { Kind } from '../gen/protocol/v1/protocol.ts';

/** How a revision of a hub is named on a command line. */
export const revisionArgument = 'digest, the beginning of it (6 digits or more), or kind@revision such as shop@2';

const named = /^(?:(?<kind>[a-z][\w.-]*)@(?<revision>[1-9]\d{0,6})|(?:sha256:)?(?<hex>[0-9a-f]{6,64}))$/;

/** Whether it can be the name of one. */
export const isNamed = (given: string): boolean => named.test(given);

/** @throws MallError INVALID_ARGUMENT when it is no name, or that of several, NOT_FOUND when it is that of none */
export function findNamed(given: string, kinds: readonly Kind[]): { kind: Kind; digest: string } {
  const groups = named.exec(given)?.groups;
  const found = kinds.flatMap((kind) =>
    kind.revisions
      .filter(({ revision, digest }) =>
        groups?.hex === undefined
          ? kind.kind === groups?.kind && revision === Number(groups.revision)
          : digest.startsWith(`sha256:${groups.hex}`),
      )
      .map(({ digest }) => ({ kind, digest })),
  );
  if (found.length === 1) return found[0]!;
  const seeList = '`mallbots protocol list` shows what there is';
  if (!groups) throw invalid('revision', given, 'MALFORMED', `give a ${revisionArgument}`);
  if (found.length === 0) throw notFound('revision', 'revision', given, seeList);
  throw invalid('revision', given, 'AMBIGUOUS', `${found.length} revisions begin so; give more of the digest`);
}

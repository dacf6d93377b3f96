import { InvalidArgumentError } from 'commander';
import { kinds } from '../gen/kinds.ts';
import { isKind, type Revision } from '../hub/protocol/check/revision.ts';

/** The revision of `kind` that this program was built with: what there is to compare with where no hub is asked. */
export function ownRevisions(kind: string): Revision[] {
  if (!Object.hasOwn(kinds, kind)) return [];
  const { revision, fileDescriptorSet } = kinds[kind as keyof typeof kinds];
  return [
    { label: `revision ${revision} of this program`, fileDescriptorSet: Buffer.from(fileDescriptorSet, 'base64') },
  ];
}

/** An argument that names a kind. */
export function kindArgument(text: string): string {
  if (isKind(text)) return text;
  throw new InvalidArgumentError('give the name of a kind, such as shop, or shop.v2 for its next major.');
}

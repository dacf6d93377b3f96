import { InvalidArgumentError } from 'commander';
import { kinds } from '../gen/kinds.ts';
import { RegistryService } from '../gen/protocol/v1/protocol.ts';
import { compileDirectory } from '../hub/protocol/check/compile.ts';
import { isKind, type Revision } from '../hub/protocol/check/revision.ts';
import type { Api } from '../rpc/api.ts';
import { atRole } from './at-role.ts';

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

export type Registry = Api<RegistryService>;

/** Runs `work` with the registry of the hub at `address`, else at MALLBOTS_HUB_ADDRESS. */
export const atRegistry = <T>(given: string | undefined, work: (registry: Registry) => Promise<T>): Promise<T> =>
  atRole(RegistryService, 'hub', given, work);

/** A revision that a hub has: by its digest, or as `shop@2`. */
const published = /^(?:(?<digest>sha256:[0-9a-f]{64})|(?<kind>[a-z][\w.-]*)@(?<revision>[1-9]\d{0,6}))$/;

export interface Source {
  readonly revision: Revision;
  /** Where its files are; empty where a hub has them. */
  readonly directory: string;
}

/** What an argument of `mallbots protocol diff` names: a directory of .proto files, or a revision of the hub at `address`. */
export async function sourceOf(argument: string, address: string | undefined): Promise<Source> {
  const { digest = '', kind = '', revision = '0' } = published.exec(argument)?.groups ?? {};
  if (!digest && !kind) return { revision: await compileDirectory(argument), directory: argument };
  return atRegistry(address, async (registry) => {
    const { fileDescriptorSet } = await registry.get({ digest, kind, revision: Number(revision) });
    return { revision: { label: argument, fileDescriptorSet }, directory: '' };
  });
}

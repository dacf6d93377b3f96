import { stat } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { invalid } from '../contract/errors.ts';
import { kinds } from '../gen/kinds.ts';
import { RegistryService } from '../gen/protocol/v1/protocol.ts';
import { compileDirectory } from '../hub/protocol/check/compile.ts';
import { isKind, kindRemedy, type Revision } from '../hub/protocol/check/revision.ts';
import type { Api } from '../rpc/api.ts';
import { atRole } from './at-role.ts';
import { findNamed, isNamed, revisionArgument } from './protocol-revision.ts';

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
  throw new InvalidArgumentError(`${kindRemedy(text)}.`);
}

export type Registry = Api<RegistryService>;

/** Runs `work` with the registry of the hub at `address`, else at MALLBOTS_HUB_ADDRESS. */
export const atRegistry = <T>(given: string | undefined, work: (registry: Registry) => Promise<T>): Promise<T> =>
  atRole(RegistryService, 'hub', given, work);

export interface Source {
  readonly revision: Revision;
  /** Where its files are; empty where a hub has them. */
  readonly directory: string;
}

export const sourceArgument = `directory of .proto files, or of a revision that a hub has: ${revisionArgument}`;

/** What an argument of `mallbots protocol diff` names: a directory of .proto files, or a revision of the hub at `address`. */
export async function sourceOf(argument: string, address: string | undefined): Promise<Source> {
  // A directory may be called what a digest begins with.
  if ((await stat(argument).catch(() => undefined))?.isDirectory()) {
    return { revision: await compileDirectory(argument), directory: argument };
  }
  if (!isNamed(argument)) throw invalid('revision', argument, 'MALFORMED', `give a ${sourceArgument}`);
  return atRegistry(address, async (registry) => {
    const { digest } = findNamed(argument, (await registry.list({ kind: '' })).kinds);
    const { fileDescriptorSet } = await registry.get({ digest, kind: '', revision: 0 });
    return { revision: { label: argument, fileDescriptorSet }, directory: '' };
  });
}

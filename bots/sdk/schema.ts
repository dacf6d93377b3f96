import { createHash } from 'node:crypto';
import { createFileRegistry, type DescMessage, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { Revision, SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';

/** One revision of a kind, ready to read and write by; immutable. */
export interface Schema extends Readonly<Pick<SchemaRef, 'kind' | 'revision' | 'digest'>> {
  readonly registry: FileRegistry;
  readonly task: DescMessage;
  readonly progress: DescMessage;
  readonly result: DescMessage;
}

/** A revision's descriptors, as `src/gen/kinds.ts` has them. */
export interface Description {
  /** FileDescriptorSet, base64. */
  readonly fileDescriptorSet: string;
  /** Fully qualified names. */
  readonly taskMessage: string;
  readonly progressMessage: string;
  readonly resultMessage: string;
}

type Source = Pick<Revision, 'fileDescriptorSet' | 'taskMessage' | 'progressMessage' | 'resultMessage'>;

/** Registries that bots of one process share; 30 to 50 KB each for a set of 1 KB. A schema that is in use keeps its own beyond this. */
const sharedRegistries = 64;
/** By digest: what a digest stands for never changes. The one that was used last is the last. */
const registries = new Map<string, FileRegistry>();

/**
 * Takes the descriptor set at its digest's word.
 * @throws Error saying why the set is not what the digest names, or not a revision of a kind
 */
export function compileSchema({ kind, revision, digest }: SchemaRef, source: Source): Schema {
  const registry = registryOf(digest, source.fileDescriptorSet);
  const message = (field: string, name: string): DescMessage => {
    const found = registry.getMessage(name);
    if (!found)
      throw new Error(`${field} is "${name}", which the descriptor set does not have; name one of its messages`);
    return found;
  };
  return {
    kind,
    revision,
    digest,
    registry,
    task: message('task_message', source.taskMessage),
    progress: message('progress_message', source.progressMessage),
    result: message('result_message', source.resultMessage),
  };
}

export const describedSchema = (ref: SchemaRef, description: Description): Schema =>
  compileSchema(ref, { ...description, fileDescriptorSet: Buffer.from(description.fileDescriptorSet, 'base64') });

function registryOf(digest: string, bytes: Uint8Array): FileRegistry {
  const actual = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (actual !== digest)
    throw new Error(
      `digest is "${digest}", but that of the descriptor set is ${actual}; send the set that was published`,
    );
  const registry = registries.get(digest) ?? buildRegistry(bytes);
  registries.delete(digest);
  registries.set(digest, registry);
  if (registries.size > sharedRegistries) registries.delete(registries.keys().next().value!);
  return registry;
}

function buildRegistry(bytes: Uint8Array): FileRegistry {
  try {
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Error(`file_descriptor_set is not a FileDescriptorSet with all its imports: ${why}`, { cause });
  }
}

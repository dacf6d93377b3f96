import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { invalid } from '../contract/errors.ts';
import { PublishRequest } from '../gen/protocol/v1/protocol.ts';
import { bounds } from '../hub/protocol/check/bounds.ts';
import { compileDirectory } from '../hub/protocol/check/compile.ts';

/** What is published of a directory. */
type Publishable = Pick<PublishRequest, 'kind' | 'fileDescriptorSet' | 'sources' | 'translation'>;

/**
 * A directory as it is published, which is how a check takes it as well: what passes there can be sent.
 * @throws Uncompiled, MallError INVALID_ARGUMENT when there is nothing to compile, or more than one call takes
 */
export async function readPublishable(
  directory: string,
  kind: string,
  translation: string | undefined,
): Promise<Publishable> {
  const { fileDescriptorSet } = await compileDirectory(directory);
  const sources = compiledFiles(fileDescriptorSet)
    .map((path) => ({ path, from: join(directory, path) }))
    // What it imports of google.protobuf comes with the compiler.
    .filter(({ from }) => existsSync(from))
    .map(({ path, from }) => ({ path, text: readFileSync(from, 'utf8') }));
  const publishable = { kind, fileDescriptorSet: Buffer.from(fileDescriptorSet), sources, translation };
  const size = PublishRequest.encode(PublishRequest.fromPartial(publishable)).finish().length;
  if (size > bounds.publishedBytes) {
    const made = `publishing its files and what they compile to, ${fileDescriptorSet.length} bytes, takes ${size} bytes`;
    const remedy = `${made}, and may take ${bounds.publishedBytes}: shorten the comments, or make it two kinds`;
    throw invalid('directory', directory, 'TOO_LARGE', remedy);
  }
  return publishable;
}

/** Names as the compiler found them: a directory may have others that end so, a link to nowhere or a directory. */
const compiledFiles = (fileDescriptorSet: Uint8Array): string[] =>
  fromBinary(FileDescriptorSetSchema, fileDescriptorSet)
    .file.map(({ name }) => name)
    .sort();

import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { invalid, MallError } from '../../../contract/errors.ts';
import { annotations, inScratch, runBuf } from './buf.ts';
import type { Revision } from './revision.ts';

/**
 * The .proto files of `directory`, which is the root of their imports, with what they import of google.protobuf: as a set of descriptors with
 * comments and positions. A buf.yaml that may be there does not count.
 * @throws MallError INVALID_ARGUMENT with file, line and column of each mistake, or when there is nothing to compile
 */
export async function compileDirectory(directory: string): Promise<Revision> {
  const found = await stat(directory).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw invalid(
      'directory',
      directory,
      'DIRECTORY_MISSING',
      'give the directory that has the .proto files of one kind',
    );
  }
  return inScratch(async (scratch) => {
    const file = join(scratch, 'set.binpb');
    const config = JSON.stringify({ version: 'v2' });
    const args = ['build', '.', '--config', config, '--as-file-descriptor-set', '--error-format', 'json', '-o', file];
    const { exitCode, stdout, stderr } = await runBuf(resolve(directory), args);
    if (exitCode !== 0) throw uncompiled(directory, `${stdout}\n${stderr}`);
    return { label: directory, fileDescriptorSet: await readFile(file) };
  });
}

function uncompiled(directory: string, output: string): MallError {
  const mistakes = annotations(output).map(({ path = '', start_line = 1, start_column = 1, message }) => {
    return `${join(directory, path)}:${start_line}:${start_column}: ${message}`;
  });
  const said = mistakes.length > 0 ? mistakes.join('\n') : output.trim();
  return /had no \.proto files|no \.proto files were targeted/.test(said)
    ? invalid(
        'directory',
        directory,
        'DIRECTORY_EMPTY',
        'it has no .proto file; give the one that has those of the kind',
      )
    : new MallError('INVALID_ARGUMENT', `the files do not compile:\n${said}`, {
        reason: 'PROTO_INVALID',
        field: 'directory',
        value: directory,
      });
}

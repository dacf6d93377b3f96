import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { invalid, MallError } from '../../../contract/errors.ts';
import { annotations, inScratch, runBuf } from './buf.ts';
import type { Revision } from './revision.ts';

/**
 * The .proto files of `directory`, which is the root of their imports, with what they import of google.protobuf: as a set of descriptors with
 * comments and positions. A buf.yaml that may be there does not count.
 * @throws Uncompiled with file, line and column of each mistake, MallError INVALID_ARGUMENT when there is nothing to compile
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

/** What a compiler says of one place. */
export interface Mistake {
  /** As it is reached from here. */
  readonly file: string;
  /** From 1; undefined where no line is meant. */
  readonly line?: number;
  readonly column?: number;
  readonly what: string;
}

/** INVALID_ARGUMENT: the files do not compile. The message lists what `mistakes` has for programs. */
export class Uncompiled extends MallError {
  readonly mistakes: readonly Mistake[];

  constructor(directory: string, mistakes: readonly Mistake[]) {
    const lines = mistakes.map(({ file, line, column, what }) =>
      line === undefined ? what : `${file}:${line}:${column}: ${what}`,
    );
    const detail = { reason: 'PROTO_INVALID', field: 'directory', value: directory };
    super('INVALID_ARGUMENT', `the files do not compile:\n${lines.join('\n')}`, detail);
    this.mistakes = mistakes;
  }
}

function uncompiled(directory: string, output: string): MallError {
  if (/had no \.proto files|no \.proto files were targeted/.test(output)) {
    return invalid(
      'directory',
      directory,
      'DIRECTORY_EMPTY',
      'it has no .proto file; give the one that has those of the kind',
    );
  }
  const mistakes = annotations(output).map(
    ({ path = '', start_line: line = 1, start_column: column = 1, message: what }) => {
      return { file: join(directory, path), line, column, what };
    },
  );
  return new Uncompiled(directory, mistakes.length > 0 ? mistakes : [{ file: directory, what: output.trim() }]);
}

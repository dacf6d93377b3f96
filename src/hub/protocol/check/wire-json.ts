import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { MallError } from '../../../contract/errors.ts';
import { annotations, type BufAnnotation, inScratch, runBuf } from './buf.ts';
import type { Revision } from './revision.ts';
import type { Finding } from './violation.ts';

/** What buf's WIRE_JSON rules say about `candidate` beside each of `revisions`; the label of the revision with each finding. */
export async function checkWireJson(
  candidate: Revision,
  revisions: readonly Revision[],
): Promise<Array<{ finding: Finding; against: string }>> {
  if (revisions.length === 0) return [];
  return inScratch(async (directory) => {
    await writeFile(join(directory, 'candidate.binpb'), candidate.fileDescriptorSet);
    const found: Array<{ finding: Finding; against: string }> = [];
    const left = [...revisions.entries()];
    // A process for each revision, as many at once as there are processors.
    const worker = async () => {
      for (let next = left.shift(); next; next = left.shift()) {
        const [index, { label, fileDescriptorSet }] = next;
        const file = `revision-${index}.binpb`;
        await writeFile(join(directory, file), fileDescriptorSet);
        const breaking = await breakingChanges(directory, file);
        found.push(...breaking.map((annotation) => ({ finding: asFinding(annotation), against: label })));
      }
    };
    await Promise.all(Array.from({ length: Math.min(availableParallelism(), left.length) }, worker));
    return found;
  });
}

/** Exit status of `buf breaking` when it found something, other than when it failed. */
const foundSomething = 100;

async function breakingChanges(directory: string, against: string): Promise<BufAnnotation[]> {
  const config = JSON.stringify({ version: 'v2', breaking: { use: ['WIRE_JSON'] } });
  const args = ['breaking', 'candidate.binpb', '--against', against, '--config', config, '--error-format', 'json'];
  const { exitCode, stdout, stderr } = await runBuf(directory, args);
  if (exitCode === 0) return [];
  if (exitCode === foundSomething) return annotations(stdout);
  throw new MallError('INVALID_ARGUMENT', `buf cannot compare the revisions: ${stderr.trim() || stdout.trim()}`, {
    reason: 'DESCRIPTORS_UNREADABLE',
    field: 'file_descriptor_set',
  });
}

/** buf says what, not who breaks: its rules are about both directions. */
const asFinding = ({ path = '', start_line, start_column, type, message }: BufAnnotation): Finding => ({
  rule: `buf:${type}`,
  file: path,
  line: start_line,
  column: start_column,
  message: /message "([^"]+)"/.exec(message)?.[1] ?? /enum "([^"]+)"/.exec(message)?.[1] ?? '',
  field: /with name "([^"]+)"/.exec(message)?.[1] ?? '',
  what: message.replace(/\.? See http.*$/, '').replace(/\.$/, ''),
  breaks: 'both',
  why: 'bytes or JSON of one side are read as something else by the other',
  instead: 'undo the change; what has to be different is a new field',
});

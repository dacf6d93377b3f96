import type { Orm } from '../../database/port.ts';
import { isBuiltIn } from './built-in.ts';
import type { Revision } from './check/revision.ts';
import { descriptorSetsOf, listRevisions } from './registry-store.ts';

/** What somebody may still write in, oldest first, but for one digest. The program's own revision counts also when no bot is offered it any more. */
export async function unretiredOf(orm: Orm, kind: string, without = ''): Promise<Revision[]> {
  const rows = (await listRevisions(orm, kind)).filter(
    (row) => row.digest !== without && (isBuiltIn(row.digest) || (row.state !== 'RETIRED' && row.state !== 'DRAFT')),
  );
  const sets = await descriptorSetsOf(
    orm,
    rows.map((row) => row.digest),
  );
  return rows.map((row) => ({ label: `revision ${row.revision}`, fileDescriptorSet: sets.get(row.digest)! }));
}

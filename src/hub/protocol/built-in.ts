import type { Database } from '../../database/port.ts';
import { kinds } from '../../gen/kinds.ts';
import { addKind, addRevision, lockKind } from './registry-store.ts';

/** Whether the program was built with this revision: its services write and read it, whatever bots are offered. */
export const isBuiltIn = (digest: string): boolean => Object.values(kinds).some((kind) => kind.digest === digest);

const author = 'mallbots';

/**
 * Puts what the program was built with into the registry, ACTIVE from the beginning; a mall that never changes its protocol has nothing else there.
 * What is there already stays as it is. A program that was built with other descriptors of a kind than the one before it adds them as the next
 * revision.
 */
export async function seedBuiltIn(database: Database): Promise<void> {
  for (const builtIn of Object.values(kinds)) {
    await database.transaction(async ({ orm }) => {
      const { kind, digest, fileDescriptorSet, taskMessage, progressMessage, resultMessage } = builtIn;
      await addKind(orm, kind);
      const known = (await lockKind(orm, kind))!;
      if (known.revisions.some((revision) => revision.digest === digest)) return;
      await addRevision(orm, known, {
        ...{ digest, taskMessage, progressMessage, resultMessage },
        state: 'ACTIVE',
        descriptorSet: Buffer.from(fileDescriptorSet, 'base64'),
        sources: [],
        ...{ publishedAt: new Date(), publishedBy: author, reason: 'built into the program' },
      });
    });
  }
}

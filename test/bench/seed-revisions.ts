import { connectDatabase } from '../../src/database/postgres.ts';
import type { SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';
import { publish } from '../../src/hub/protocol/publish.ts';
import { changeRevisions, versionOf } from '../../src/hub/protocol/registry-store.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { edited, field, fields } from '../support/revisions.ts';

const kind = 'shop';
const author = { by: 'bench', reason: 'a bench' };

/** Descriptors of a revision of `shop` that says some things more of an item that was picked than the built-in one. */
export const descriptorsOf = (notes: readonly string[]): Buffer =>
  edited(kind, 0, (message) => {
    const more = notes.map((name, index) => field(name, 100 + index, 'STRING'));
    message('ItemPicked').field.push(...fields(...more));
  }).fileDescriptorSet;

/**
 * Puts revisions into the registry that hubs with this database have, ACTIVE, all of them. Without a check, which would take the bench minutes: they
 * are compatible, and how long the check takes is not what is measured.
 */
export async function seedRevisions(
  databaseUrl: string,
  descriptorSets: readonly Uint8Array[],
): Promise<readonly SchemaRef[]> {
  const logger = createLogger('bench', 'error');
  const database = connectDatabase({ url: databaseUrl, poolSize: 1, applicationName: 'mallbots bench', logger });
  const check = async () => ({ compatible: true, kind, against: [], violations: [], omitted: 0 });
  const ports = { database, check, onChanged: () => {} };
  try {
    const schemas: SchemaRef[] = [];
    for (const fileDescriptorSet of descriptorSets) {
      const published = await publish(ports, { kind, fileDescriptorSet, sources: [], isDraft: false, ...author });
      if (published.violations) throw new Error('a revision of the bench was refused');
      const { digest } = published;
      await database.transaction(async ({ orm }) => {
        const next = (await versionOf(orm, kind)) + 1;
        const activated = { digest, from: 'CHECKED', to: 'ACTIVE' } as const;
        await changeRevisions(orm, kind, next, [activated], { ...author, at: new Date() });
      });
      // The built-in one is the first.
      schemas.push({ kind, revision: schemas.length + 2, digest });
    }
    return schemas;
  } finally {
    await database.close();
  }
}

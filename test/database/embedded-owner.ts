/** A process that owns an embedded PostgreSQL until it is killed, or exits at a message: `node embedded-owner.ts <directory>`; says its URL when it is ready. */
import { startEmbeddedPostgres } from '../../src/database/embedded.ts';
import { silentLogger } from '../support/silent-logger.ts';

const { url } = await startEmbeddedPostgres({ directory: process.argv[2]!, logger: silentLogger });
process.once('message', () => process.exit());
process.send!(url);

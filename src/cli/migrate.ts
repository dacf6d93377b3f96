import { Command } from 'commander';
import { readConfig } from '../config.ts';
import { migrations } from '../database/migrations.ts';
import { openBackends } from '../runtime/backends.ts';
import { createLogger } from '../telemetry/logger.ts';

export function migrateCommand(): Command {
  return new Command('migrate')
    .description("bring every role's schema to its newest version")
    .addHelpText(
      'after',
      '\nRoles also do it when they start. Without DATABASE_URL it is the PostgreSQL in\nMALLBOTS_DATA.',
    )
    .action(async () => {
      const config = { ...readConfig(), amqpUrl: '' };
      const logger = createLogger('migrate', config.logLevel);
      const { database, close } = await openBackends(config, {
        logger,
        applicationName: 'mallbots migrate',
        poolSize: 2,
      });
      try {
        for (const { schema, folder } of migrations) {
          await database.migrate(schema, folder);
          console.log(`${schema}: up to date`);
        }
      } finally {
        await close();
      }
    });
}

import { defineConfig } from 'vitest/config';

/**
 * Tests talk to real servers and start real processes, so each file has a process of its own (forks): signals, environment variables, the
 * one OpenTelemetry context manager and open sockets of one file are no other file's business, and a crash names the file.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A PostgreSQL for the run where the machine has none.
    globalSetup: ['test/support/global-database.ts'],
    pool: 'forks',
    // As the program starts: without it, each file that has a database loads drizzle-orm for a second longer.
    execArgv: ['--import', new URL('./src/cli/quick-modules.js', import.meta.url).href],
    // The machines that this runs on have two cores; a third file would only lengthen the waits of the other two.
    maxWorkers: 2,
    // Upper bounds for what hangs, not targets: a first embedded PostgreSQL, or a role's process, takes seconds on a busy machine.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    // A rejection that nobody waited for is a bug in the code or in the test.
    dangerouslyIgnoreUnhandledErrors: false,
    passWithNoTests: false,
    allowOnly: !process.env.CI,
    // A test that passes at the second try has failed.
    retry: 0,
  },
});

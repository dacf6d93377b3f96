import { describe, expect, it } from 'vitest';
import { parseModule, readModules } from './modules.ts';
import { breaches, cycles, layerOf, pureFile } from './rules.ts';

const modules = readModules('src', 'bots');

/** What a file with this source would be told, stood among the real ones. */
const planted = (path: string, source: string) =>
  breaches([...modules.filter((module) => module.path !== path), parseModule(path, source)]).filter((line) =>
    line.startsWith(`${path}:`),
  );

describe('import rules', () => {
  it('are checked on the real tree: all of its folders, and hundreds of imports', () => {
    expect(modules.length).toBeGreaterThan(60);
    expect(modules.flatMap(({ imports }) => imports).length).toBeGreaterThan(200);
    expect(modules.filter(({ path }) => pureFile.test(path)).length).toBeGreaterThan(3);
    for (const folder of [
      'src/broker',
      'src/database',
      'src/hub',
      'src/services/orders',
      'bots/sdk',
      'bots/simulator',
    ]) {
      expect(modules.filter(({ path }) => path.startsWith(`${folder}/`)).length, folder).toBeGreaterThan(0);
    }
  });

  it('have a place for every module', () => {
    expect(modules.map(({ path }) => path).filter((path) => layerOf(path) === undefined)).toEqual([]);
  });

  it('hold', () => {
    expect(breaches(modules)).toEqual([]);
  });

  it('hold without a ring of modules that need each other to start', () => {
    expect(cycles(modules)).toEqual([]);
  });
});

describe('a planted breach is found', () => {
  it.each([
    ['a service that imports another', 'src/services/orders/planted.ts', "import '../depot/decide.ts';"],
    ['a service that imports the hub', 'src/services/depot/planted.ts', "import type { A } from '../../hub/task.ts';"],
    ['the hub that imports a service', 'src/hub/planted.ts', "import '../services/depot/decide.ts';"],
    ['gateway code that knows a gateway', 'src/gateways/planted.ts', "import './kiosk/kiosk.ts';"],
    ['common code that knows a service', 'src/services/planted.ts', "import './orders/decide.ts';"],
    ['a gateway that imports another', 'src/gateways/kiosk/planted.ts', "import '../staff/staff.ts';"],
    ['the contract that imports the broker', 'src/contract/planted.ts', "import '../broker/port.ts';"],
    ['the kit that imports anything', 'src/kit/planted.ts', "import '../contract/errors.ts';"],
    ['the config that imports a role', 'src/config.ts', "import './hub/hub.ts';"],
    ['the runtime that imports a command', 'src/runtime/planted.ts', "import '../cli/up.ts';"],
    ['the runtime that knows the demo', 'src/runtime/planted.ts', "import '../demo/mall.ts';"],
    ['the SDK that imports more than the wire', 'bots/sdk/planted.ts', "import '../../src/contract/errors.ts';"],
    ['a program that imports a test', 'src/cli/planted.ts', "import '../../test/rules/rules.ts';"],
    ['an adapter chosen by a service', 'src/services/orders/planted.ts', "import '../../broker/rabbitmq.ts';"],
    ['an adapter of the broker chosen by the outbox', 'src/database/planted.ts', "import '../broker/embedded.ts';"],
    ['AMQP outside the broker', 'src/hub/planted.ts', "import { Connection } from 'rabbitmq-client';"],
    ['SQL outside a store', 'src/services/orders/handlers.ts', "import { eq } from 'drizzle-orm';"],
    ['a part of drizzle outside a store', 'src/hub/planted.ts', "import type { PgTable } from 'drizzle-orm/pg-core';"],
    ['the environment read in a role', 'src/hub/planted.ts', 'export const port = process.env.PORT;'],
    ['the environment taken apart', 'src/hub/planted.ts', 'const { env } = process;'],
    [
      'trace context taken apart',
      'src/hub/planted.ts',
      'export const id = (traceparent: string) => traceparent.slice(3, 35);',
    ],
    ['trace context taken apart by SQL', 'src/audit/planted.ts', 'sql`select split_part(o.traceparent, 1)`;'],
    [
      'trace context read past its module',
      'src/rpc/planted.ts',
      "export const of = (call) => call.metadata.get('traceparent');",
    ],
    ['baggage from outside', 'src/gateways/staff/planted.ts', "export const of = (headers) => headers['baggage'];"],
    ['an import whose name is computed', 'src/hub/planted.ts', 'await import(name);'],
    ['a decision that reads the clock', 'src/services/orders/decide.ts', 'export const decide = () => Date.now();'],
    ['a decision that makes a date of now', 'src/hub/task.ts', 'export const now = () => new Date();'],
    ['a decision that throws dice', 'src/hub/task.ts', 'export const pick = () => Math.random();'],
    [
      'a decision that makes ids',
      'src/hub/task.ts',
      "import { newId } from '../contract/ids.ts';\nexport const id = newId();",
    ],
    ['a decision that does I/O', 'src/services/depot/decide.ts', "import { readFileSync } from 'node:fs';"],
    ['a decision that needs a package', 'src/services/depot/decide.ts', "import { v7 } from 'uuid';"],
    ['a decision impure at second hand', 'src/services/depot/decide.ts', "import { Loop } from '../../kit/loop.ts';"],
  ])('%s', (_, path, source) => {
    expect(planted(path, source)).not.toEqual([]);
  });

  it('a ring of two modules', () => {
    const ring = [parseModule('src/hub/a.ts', "import './b.ts';"), parseModule('src/hub/b.ts', "import './a.ts';")];
    expect(cycles(ring)).toEqual(['src/hub/a.ts -> src/hub/b.ts -> src/hub/a.ts']);
  });
});

describe('what is allowed is not complained about', () => {
  it.each([
    ['types from anywhere a decision may look', 'src/hub/task.ts', "import type { Logger } from 'pino';"],
    [
      'a given date in a decision',
      'src/hub/task.ts',
      'export const later = (now: Date) => new Date(now.getTime() + 1);',
    ],
    ['a command that starts the broker', 'src/cli/planted.ts', "import '../broker/rabbitmq.ts';"],
    ['the word in a comment', 'src/hub/planted.ts', '// process.env is read in src/config.ts'],
  ])('%s', (_, path, source) => {
    expect(planted(path, source)).toEqual([]);
  });
});

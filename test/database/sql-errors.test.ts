import { DrizzleQueryError } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { fromDriver } from '../../src/database/sql-errors.ts';

const wrapped = (code: string) =>
  new DrizzleQueryError('insert ...', [], Object.assign(new Error('the server says so'), { code }));

describe("what the program makes of the database's errors", () => {
  it.each([
    ['08006', 'a connection that failed'],
    ['53300', 'too many connections'],
    ['53100', 'a full disk'],
    ['57P01', 'a server that shuts down'],
    ['57P03', 'a server that starts'],
    ['58030', 'a disk that fails'],
    ['25006', 'a standby that only reads'],
    ['ECONNREFUSED', 'nobody there'],
  ])('%s (%s) is unavailable: the same would happen to anybody, and passes', (code) => {
    expect(fromDriver(wrapped(code), 'db')).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it.each(['23505', '22P02', '42P01'])('%s is left to its caller', (code) => {
    const error = wrapped(code);
    expect(fromDriver(error, 'db')).toBe(error);
  });
});

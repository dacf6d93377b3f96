import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { statement } from '../../src/database/statement.ts';
import { withDatabase } from '../support/database.ts';
import { shareGoneYoung } from '../support/young-garbage.ts';

const rows = statement<{ name: string }, { name: string }>(sql`
  select ${sql.placeholder('name')}::text as name from generate_series(1, 3)`);

it('the rows and parameters of a query that is answered are gone with those who asked', async () => {
  await using db = await withDatabase();
  const { database } = db;
  const first = async (answer: Promise<object[]>) => (await answer)[0]!;
  const ofStatement = () => first(database.query((orm) => rows(orm, { name: 'a row' })));
  expect(await shareGoneYoung(ofStatement)).toBeGreaterThan(0.5);
  const ofDrizzle = () => first(database.query((orm) => orm.execute(sql`select ${'a row'}::text as name`)));
  expect(await shareGoneYoung(ofDrizzle)).toBeGreaterThan(0.5);
  const parameter = () => {
    const name = { toString: () => 'a parameter' };
    return database.query((orm) => rows(orm, { name: name as unknown as string })).then(() => name);
  };
  expect(await shareGoneYoung(parameter)).toBeGreaterThan(0.5);
});

it('says how many rows a statement without an answer has touched', async () => {
  await using db = await withDatabase();
  const { count } = await db.database.query((orm) => orm.execute(sql`values (1), (2)`));
  expect(count).toBe(2);
});

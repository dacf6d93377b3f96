import { getTableColumns, is, Placeholder, type SQL, sql } from 'drizzle-orm';
import { PgDialect, type PgTable } from 'drizzle-orm/pg-core';
import type { Orm } from './port.ts';

const dialect = new PgDialect();

/**
 * A statement that is made once: its text stays the same, so that every connection keeps it prepared, and putting it together costs nothing
 * where it is run hundreds of times a second (a sixth of the hub's processor time, measured). Its `sql.placeholder`s take the values; many rows
 * go into one of them, as JSON. Dates come back as text: see `rowsOf`.
 */
export function statement<V extends object, R extends object>(query: SQL): (orm: Orm, values: V) => Promise<R[]> {
  const { sql: text, params } = dialect.sqlToQuery(query);
  const fill = params.map((param) => (is(param, Placeholder) ? (param.name as keyof V) : undefined));
  return async (orm, values) => {
    const parameters = fill.map((name, index) => (name === undefined ? params[index] : values[name]));
    return (await orm.$client.unsafe(text, parameters)) as R[];
  };
}

/**
 * Holds of every row, for the planner's sake: it takes one row in 200 to be in such a range, and so a `jsonb_to_recordset` for one row and not for a hundred. For
 * a hundred it reads all of a table that is small when the statement is prepared, and goes on to while the table grows (thousands of rows for each result of a
 * bot after a minute, measured); for one it asks the index. `count` is a whole number that each row has, from 0 up.
 */
export const eachByIndex = (count: SQL): SQL => sql`${count} between 0 and ${sql.raw(String(Number.MAX_SAFE_INTEGER))}`;

/** The columns of `table` as a statement lists them, of the table or what is called `alias`, and what reads its rows. */
export function rowsOf<T extends PgTable>(
  table: T,
  alias?: string,
): { readonly columns: SQL; readonly read: <More extends object>(row: More) => T['$inferSelect'] & More } {
  const named = Object.entries(getTableColumns(table));
  const of = alias === undefined ? table : sql.identifier(alias);
  return {
    columns: sql.join(
      named.map(([name, column]) => sql`${of}.${sql.identifier(column.name)} as ${sql.identifier(name)}`),
      sql`, `,
    ),
    read(row) {
      const values = row as Record<string, unknown>;
      for (const [name, column] of named) {
        if (values[name] !== null) values[name] = column.mapFromDriverValue(values[name]);
      }
      return row as T['$inferSelect'] & typeof row;
    },
  };
}

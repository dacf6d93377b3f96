import { type SQL, sql } from 'drizzle-orm';
import { bigint, customType, timestamp } from 'drizzle-orm/pg-core';

/** An instant to the millisecond, as a Date. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** Money, stock, fences, versions and row ids stay far below 2^53: numbers hold them exactly. */
export const int53 = (name: string) => bigint(name, { mode: 'number' });

export const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'bytea' });

/** An instant so long before now, by the database's clock. */
export const ago = (ms: number): SQL => sql`now() - ${ms} * interval '1 millisecond'`;

/** What stands in a decoded message and is for programs of a newer version only. */
const unknown = '_unknownFields';

/**
 * A decoded message as plain JSON values, for people and programs: times as ISO 8601, bytes as base64; without what this version does not know
 * and without the fields named in `leftOut`, at any depth.
 */
export function readable(value: unknown, leftOut: ReadonlySet<string> = new Set()): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((element) => readable(element, leftOut));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, field]) => field !== undefined && name !== unknown && !leftOut.has(name))
      .map(([name, field]) => [name, readable(field, leftOut)]),
  );
}

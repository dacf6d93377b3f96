import { type BodyOf, decodeBody, type MessageName } from './events.ts';

/** What a body says, as JSON for people and programs: times as ISO 8601, bytes as base64, fields that this version does not know left out. */
export function bodyJson<N extends MessageName>(name: N, bytes: Uint8Array): string {
  return JSON.stringify(plain(decodeBody(name, bytes) as BodyOf<N>));
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== '_unknownFields')
      .map(([name, field]) => [name, plain(field)]),
  );
}

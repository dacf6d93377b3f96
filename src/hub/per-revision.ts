import type { Attributes } from '@opentelemetry/api';
import type { SchemaRef } from '../gen/fleet/v1/fleet.ts';
import { ATTR_KIND, ATTR_REVISION, ATTR_SCHEMA_DIGEST } from '../telemetry/attributes.ts';

export const revisionAttributes = [ATTR_KIND, ATTR_REVISION, ATTR_SCHEMA_DIGEST] as const;

/** Revisions that are told apart: more than are ever in use at once. Those that come after them are counted together. */
const maxRevisions = 64;
/** What the conventions call all the others. */
const other = '_OTHER';
/** Number 0: no revision has it. */
const others: SchemaRef = { kind: other, revision: 0, digest: other };

/** One of `T` for each revision that something is counted of, with the attributes that name it. */
export class PerRevision<T> {
  readonly #make: (attributes: Attributes) => T;
  readonly #byDigest = new Map<string, T>();

  constructor(make: (attributes: Attributes) => T) {
    this.#make = make;
  }

  /** Undefined is a revision that nobody has published. */
  of(schema: SchemaRef = others): T {
    const known = this.#byDigest.get(schema.digest);
    if (known !== undefined) return known;
    if (this.#byDigest.size >= maxRevisions && schema !== others) return this.of(others);
    const { kind, revision, digest } = schema;
    const made = this.#make({ [ATTR_KIND]: kind, [ATTR_REVISION]: revision, [ATTR_SCHEMA_DIGEST]: digest });
    this.#byDigest.set(digest, made);
    return made;
  }
}

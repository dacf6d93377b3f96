import { canonicalDescriptorSet, schemaDigest } from '../../contract/descriptor-set.ts';
import { invalid, MallError } from '../../contract/errors.ts';
import type { Database, Orm, Transaction } from '../../database/port.ts';
import type { SourceFile } from '../store.ts';
import type { checkRevision } from './check/check.ts';
import { isKind, kindRemedy, rootsOf } from './check/revision.ts';
import type { Violation } from './check/violation.ts';
import {
  type Given,
  givenTranslation,
  judgeTranslations,
  lockAmong,
  type Neighbours,
  neighboursOf,
  storeTranslation,
} from './majors/publish-translation.ts';
import {
  type Author,
  addKind,
  addRevision,
  changeRevisions,
  changesSince,
  findRevision,
  versionOf,
} from './registry-store.ts';
import { decidePublication, moved } from './revision.ts';
import { unretiredOf } from './unretired.ts';

/** How often a revision is checked again because its kind has moved meanwhile; a check takes about a second. */
const maxChecks = 3;

export interface PublishPorts {
  readonly database: Database;
  readonly check: typeof checkRevision;
  /** A kind has changed, durably. */
  readonly onChanged: () => void;
}

export interface Publication extends Author {
  readonly kind: string;
  readonly fileDescriptorSet: Uint8Array;
  readonly sources: readonly SourceFile[];
  readonly isDraft: boolean;
  /** Version of the kind that the files were made for; undefined: whatever there is. */
  readonly basedOn?: number;
  /** JSON, as `readTranslation` takes it. */
  readonly translation?: string | undefined;
}

export type Published =
  | { readonly digest: string; readonly isKnown: boolean; readonly violations?: undefined }
  | ({ readonly isKnown?: undefined } & Refused);

interface Refused {
  readonly violations: readonly Violation[];
  /** How many more there are. */
  readonly omitted: number;
}

export interface Verdict extends Refused {
  readonly digest: string;
  /** What it was held against, such as "revision 1". */
  readonly against: readonly string[];
}

interface Candidate {
  readonly canonical: Uint8Array;
  readonly digest: string;
}

/**
 * Whether the descriptors could be the next revision of the kind.
 * @throws MallError INVALID_ARGUMENT when they cannot be read, FAILED_PRECONDITION when there is no buf
 */
export async function judge(
  ports: PublishPorts,
  kind: string,
  fileDescriptorSet: Uint8Array,
  translation?: string,
): Promise<Verdict> {
  const { digest } = readCandidate(kind, fileDescriptorSet);
  const given = givenTranslation(kind, translation);
  const { violations, omitted, against } = await held(ports, kind, digest, fileDescriptorSet, given);
  return { digest, violations, omitted, against };
}

/**
 * Adds a revision, unless something speaks against it. The check takes its time outside of any transaction; when the kind has moved meanwhile, it
 * is made again.
 * @throws MallError as `judge`; ABORTED when the kind has moved on, or does not hold still, FAILED_PRECONDITION for descriptors that are RETIRED
 */
export async function publish(ports: PublishPorts, publication: Publication): Promise<Published> {
  const { kind, fileDescriptorSet, isDraft } = publication;
  const candidate = readCandidate(kind, fileDescriptorSet);
  const given = givenTranslation(kind, publication.translation);
  if (given && isDraft) {
    const remedy = 'publish the revision without draft, to have both checked';
    throw invalid('translation', 'of a draft', 'NOT_CHECKED', remedy);
  }
  await ports.database.query((orm) => requireUnmoved(orm, publication, candidate.digest));
  for (let checks = 0; checks < maxChecks; checks++) {
    const basedOn = isDraft ? undefined : await held(ports, kind, candidate.digest, fileDescriptorSet, given);
    if (basedOn && basedOn.violations.length > 0) {
      return { violations: basedOn.violations, omitted: basedOn.omitted };
    }
    const outcome = await ports.database.transaction(async (tx) => {
      tx.afterCommit(ports.onChanged);
      return store(tx, publication, candidate, basedOn, given);
    });
    if (outcome !== 'moved') return { digest: candidate.digest, isKnown: outcome === 'known' };
  }
  const remedy = 'publish it again';
  throw new MallError(
    'ABORTED',
    `kind ${kind} has changed during each of ${maxChecks} checks of the revision; ${remedy}`,
    {
      reason: 'KIND_MOVED',
      field: 'kind',
      value: kind,
      remedy,
    },
  );
}

function readCandidate(kind: string, fileDescriptorSet: Uint8Array): Candidate {
  if (!isKind(kind)) throw invalid('kind', kind, 'MALFORMED_KIND', kindRemedy(kind));
  try {
    const canonical = canonicalDescriptorSet(fileDescriptorSet);
    return { canonical, digest: schemaDigest(canonical) };
  } catch (error) {
    const remedy = `give a FileDescriptorSet with its imports: ${(error as Error).message}`;
    throw invalid('file_descriptor_set', `${fileDescriptorSet.length} bytes`, 'UNREADABLE', remedy);
  }
}

interface Held extends Refused {
  readonly version: number;
  readonly neighbours: Neighbours;
  readonly against: readonly string[];
}

/** The candidate against every revision that somebody may still write in, and against what it is translated to and from. */
async function held(
  { database, check }: PublishPorts,
  kind: string,
  digest: string,
  fileDescriptorSet: Uint8Array,
  given: Given | undefined,
): Promise<Held> {
  const { version, unretired, neighbours } = await database.query(async (orm) => ({
    version: await versionOf(orm, kind),
    unretired: await unretiredOf(orm, kind, digest),
    neighbours: await neighboursOf(orm, kind, given),
  }));
  const candidate = { label: 'candidate', fileDescriptorSet };
  const checked = await check(candidate, unretired, kind);
  const { violations, omitted } =
    checked.violations.length > 0 ? checked : await judgeTranslations(kind, candidate, unretired, neighbours);
  const against = [...checked.against, ...neighbours.versions.keys()];
  return { version, neighbours, violations, omitted, against };
}

/** @throws MallError ABORTED when somebody else has changed the kind since the version that the publisher had seen */
async function requireUnmoved(orm: Orm, { kind, basedOn }: Publication, digest: string): Promise<void> {
  if (basedOn === undefined) return;
  const version = await versionOf(orm, kind);
  // What is there already is no conflict: a repeated request changes nothing.
  if (version === basedOn || (await findRevision(orm, digest))?.kind === kind) return;
  throw moved(
    { kind, version },
    basedOn,
    await changesSince(orm, kind, basedOn),
    'merge what has come since ("mallbots protocol diff") and publish again, based on that version',
  );
}

/** Of a draft, which nobody has told yet that its package is not that of its kind. @throws MallError INVALID_ARGUMENT */
async function requireUntaken(orm: Orm, kind: string, digest: string): Promise<void> {
  const taken = await findRevision(orm, digest);
  if (!taken) return;
  const remedy = `these descriptors are revision ${taken.revision} of ${taken.kind}: publish them there, or others here`;
  throw invalid('kind', kind, 'OF_ANOTHER_KIND', remedy);
}

async function store(
  { orm }: Transaction,
  publication: Publication,
  { canonical, digest }: Candidate,
  /** What the check was based on; undefined for a draft. */
  basedOn: Held | undefined,
  given: Given | undefined,
): Promise<'added' | 'known' | 'moved'> {
  const { kind, sources, by, reason, isDraft } = publication;
  await addKind(orm, kind);
  const known = await lockAmong(orm, kind, basedOn?.neighbours.versions ?? new Map());
  await requireUnmoved(orm, publication, digest);
  if (!known || (basedOn && basedOn.version !== known.version)) return 'moved';
  const { isNew, changes } = decidePublication(known, { digest, isDraft });
  const at = new Date();
  const author = { by, reason };
  if (isNew) {
    await requireUntaken(orm, kind, digest);
    const { task, progress, result } = rootsOf(kind);
    await addRevision(orm, known, {
      ...{ digest, sources, descriptorSet: canonical, state: 'DRAFT' },
      ...{ taskMessage: task, progressMessage: progress, resultMessage: result },
      ...{ publishedAt: at, publishedBy: by, reason },
    });
  }
  if (changes.length > 0) await changeRevisions(orm, kind, known.version + 1, changes, { ...author, at });
  const isTranslated = given !== undefined && (await storeTranslation(orm, given, author));
  return isNew || changes.length > 0 || isTranslated ? 'added' : 'known';
}

import { invalid } from '../../contract/errors.ts';
import { requireText } from '../../contract/text.ts';
import type { CanaryRequest, ChangeRequest, Kind, RegistryService } from '../../gen/protocol/v1/protocol.ts';
import type { Api } from '../../rpc/api.ts';
import { translationsInForce } from './majors/translation-store.ts';
import { judge, type PublishPorts, publish } from './publish.ts';
import { rampOf } from './ramp.ts';
import { type ChangeCommand, changeRevision, unknownDigest, unknownRevision } from './registry.ts';
import { findNumbered, findRevision, historyOf, listRevisions, versionOf, versionsOf } from './registry-store.ts';
import { newestRollouts } from './rollout-store.ts';
import { readStatus, unknownKind } from './status.ts';
import type { StatusFeed } from './status-feed.ts';
import { changeView, kindViews, revisionView, translationViews, violationView } from './views.ts';

/** Characters. */
const maxByChars = 100;
const maxReasonChars = 500;
/** Source files of one revision, and their characters in all: a request is at most 256 kB, like a frame. */
const maxSources = 100;

interface RegistryPorts extends PublishPorts {
  readonly feed: StatusFeed;
}

/** protocol.v1.Registry: the tables, whichever hub is asked. */
export function registryApi(ports: RegistryPorts): Api<RegistryService> {
  const { database, feed } = ports;

  /** All kinds; with `kind`, the revisions of that one alone. */
  const readKinds = (kind?: string): Promise<Kind[]> =>
    database.query(async (orm) =>
      kindViews(
        await versionsOf(orm),
        await listRevisions(orm, kind),
        await newestRollouts(orm),
        await translationsInForce(orm),
      ),
    );

  async function kindOf(kind: string): Promise<Kind> {
    const found = (await readKinds(kind)).find((each) => each.kind === kind);
    if (!found) throw unknownKind(kind);
    return found;
  }

  async function change({ digest, basedOn, by, reason }: ChangeRequest | CanaryRequest, command: ChangeCommand) {
    requireText('by', by, maxByChars);
    if (basedOn < 1) {
      const remedy = 'give the version of the kind that you have seen; list and get tell it';
      throw invalid('based_on', basedOn, 'MISSING', remedy);
    }
    const kind = await changeRevision(ports, { digest, basedOn, by, reason: readReason(reason) }, command);
    return kindOf(kind);
  }

  return {
    async publish({ kind, fileDescriptorSet, sources, by, reason, draft, basedOn, translation }) {
      requireText('by', by, maxByChars);
      if (sources.length > maxSources) {
        throw invalid('sources', `${sources.length} files`, 'TOO_MANY', `give at most ${maxSources}`);
      }
      const published = await publish(ports, {
        ...{ kind, fileDescriptorSet, by, isDraft: draft, reason: readReason(reason), basedOn, translation },
        sources: sources.map(({ path, text }) => ({ path, text: text.replaceAll('\0', '') })),
      });
      if (published.violations) {
        const { violations, omitted } = published;
        return { revision: undefined, violations: violations.map(violationView), omitted, known: false };
      }
      const { digest, isKnown } = published;
      const revision = (await kindOf(kind)).revisions.find((each) => each.digest === digest);
      return { revision, violations: [], omitted: 0, known: isKnown };
    },

    async check({ kind, fileDescriptorSet, translation }) {
      const { digest, violations, omitted, against } = await judge(ports, kind, fileDescriptorSet, translation);
      return { digest, violations: violations.map(violationView), omitted, against: [...against] };
    },

    async list({ kind }) {
      return { kinds: kind === '' ? await readKinds() : [await kindOf(kind)] };
    },

    async get({ digest, kind, revision }) {
      return database.query(async (orm) => {
        const row = digest === '' ? await findNumbered(orm, kind, revision) : await findRevision(orm, digest);
        if (!row && digest !== '') throw unknownDigest(digest);
        if (!row && (await versionOf(orm, kind)) === 0) throw unknownKind(kind);
        if (!row) throw unknownRevision(`${kind}@${revision || 'ACTIVE'}`);
        const { descriptorSet, sources } = row;
        const history = await historyOf(orm, row.digest);
        return {
          revision: revisionView({ ...row, descriptorBytes: descriptorSet.length }),
          fileDescriptorSet: Buffer.from(descriptorSet),
          sources: sources.map(({ path, text }) => ({ path, text })),
          kindVersion: await versionOf(orm, row.kind),
          history: history.map(changeView),
          translations: translationViews(await translationsInForce(orm), row.kind),
        };
      });
    },

    canary: async (request) => {
      const { percent, hold, ramp } = request;
      return change(request, { type: 'canary', percent, ramp: rampOf(percent, hold, ramp) });
    },
    activate: (request) => change(request, { type: 'activate' }),
    deprecate: (request) => change(request, { type: 'deprecate' }),
    retire: (request) => change(request, { type: 'retire' }),
    rollback: (request) => change(request, { type: 'rollback' }),
    getStatus: ({ kind }) => database.query((orm) => readStatus(orm, kind, new Date())),
    watchStatus: ({ kind }, options) => feed.watch(kind, options?.signal),
  };
}

function readReason(reason: string): string {
  return reason === '' ? '' : requireText('reason', reason, maxReasonChars);
}

import { refused } from '../contract/errors.ts';
import { requireId } from '../contract/ids.ts';
import { payloadOf } from '../contract/write-payload.ts';
import type { Database } from '../database/port.ts';
import type { AskTaskRequest } from '../gen/fleet/v1/fleet.ts';
import { traceparentOf } from '../telemetry/propagation.ts';
import type { Dispatch } from './dispatch.ts';
import { hasWords } from './kinds/kind.ts';
import type { Ledger } from './ledger.ts';
import { defaultMaxAttempts } from './limits.ts';
import type { Catalogue } from './protocol/catalogue.ts';
import { tongueOf } from './protocol/majors/translator.ts';
import { unknownRevision } from './protocol/registry.ts';
import { unknownKind } from './protocol/status.ts';
import type { LiveRevision, ProtocolView } from './protocol/view.ts';
import type { Task } from './task-phase.ts';
import { findTask } from './task-store.ts';

export interface AskingPorts {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly dispatch: Dispatch;
  readonly catalogue: Pick<Catalogue, 'view' | 'refresh'>;
}

export type AskTask = (request: AskTaskRequest) => Promise<Task>;

/** Takes a task that somebody asks for by hand into the table; that it is there is what resolving says. */
export const asker =
  ({ database, ledger, dispatch, catalogue }: AskingPorts): AskTask =>
  async (request) => {
    const taskId = requireId('task_id', request.taskId);
    // It may have been published, or activated, by another hub a moment ago.
    await catalogue.refresh();
    const { schema, offer } = revisionOf(catalogue.view, request);
    const now = new Date();
    const task: Task = {
      ...{ taskId, orderId: taskId, correlationId: taskId, causationId: taskId, traceparent: traceparentOf() },
      ...{
        schema,
        payload: payloadOf(tongueOf(offer).task, request.payloadJson || '{}'),
        onlyBotId: request.onlyBotId,
      },
      ...{ priority: 0, deadline: undefined, position: undefined, maxAttempts: defaultMaxAttempts },
      ...{ createdAt: now, since: now, attempt: 1, fence: 0, lost: undefined, pinned: undefined },
      phase: { state: 'QUEUED', notBefore: now },
    };
    const added = { verdict: 'changed', task, events: [] } as const;
    await dispatch.placeNew((choose) => ledger.ingest([added], choose));
    return (await database.query((orm) => findTask(orm, taskId)))!;
  };

/** @throws MallError NOT_FOUND, FAILED_PRECONDITION */
function revisionOf(view: ProtocolView, { kind, revision }: AskTaskRequest): LiveRevision {
  const usual = view.usual(kind);
  if (!usual) throw unknownKind(kind);
  // Services would look in vain for the order of what is picked.
  if (hasWords(kind) || view.majors.familyOf(kind).some(hasWords)) {
    throw refused('kind', kind, 'BELONGS_TO_ORDERS', `tasks of kind ${kind} belong to orders`, 'place an order');
  }
  const wanted = revision || usual.revision;
  const found = [...view.revisions].find(({ schema }) => schema.kind === kind && schema.revision === wanted);
  if (!found) throw unknownRevision(`${kind}@${wanted}`);
  const flaw = view.flawOf(found.schema);
  if (flaw === undefined) return found;
  throw refused('revision', wanted, 'NOT_READABLE', `nobody can be asked in revision ${wanted} of ${kind}, ${flaw}`);
}

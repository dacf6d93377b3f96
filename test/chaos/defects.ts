import { publishing } from './crash-points.ts';
import type { Named } from './rewrite.ts';

/** A mistake that somebody could make in one place of the product, and what brings it to light. */
export interface Defect extends Named {
  /** The fault that provokes it. */
  readonly foundBy: string;
  /** Promises (rules of the audit and the suite) that are what the mistake breaks: one of them at least has to be. */
  readonly breaks: readonly string[];
}

/** Something that a service should have heard it has not. */
const unheard = ['consumed exactly once', 'start of a task is told', 'services count the same units'];
/** Something counts more than once. */
const counted = ['services count the same units', 'stock adds up', 'invoiced is what was picked'];

export const defects: readonly Defect[] = [
  {
    name: 'reports are acknowledged before the broker has confirmed them',
    rewrites: [publishing('async (report) => { publish(report).catch(() => {}); }')],
    foundBy: 'hub cut off from the broker',
    breaks: unheard,
  },
  {
    name: 'reports that could not be handled count as handled',
    rewrites: [
      { file: 'src/hub/lane.ts', find: 'if (!isPassing(error)) {', replace: 'if (isPassing(error)) return true; {' },
    ],
    foundBy: 'hub cut off from the broker',
    breaks: unheard,
  },
  {
    name: 'reports get a new id each time',
    // That of a start stays: nobody would be told of any.
    rewrites: [
      publishing(
        "(report) => publish({ ...report, id: report.id + (report.id.endsWith(':started') ? '' : ':' + crypto.randomUUID()) })",
      ),
    ],
    foundBy: 'confirms of a hub lost',
    breaks: counted,
  },
  {
    name: 'a result counts each time it comes',
    rewrites: [
      {
        file: 'src/hub/task.ts',
        find: "case 'succeeded':\n      if (phase.state === 'SUCCEEDED' || phase.state === 'FAILED') return same;\n      if (!isHeld(phase))",
        replace: "case 'succeeded':\n      if (!isHeld(phase) && phase.state !== 'SUCCEEDED')",
      },
    ],
    foundBy: 'answer lost: result committed, not acknowledged',
    breaks: ['one accepted result per task'],
  },
  {
    name: 'no fence is checked, neither by the hub nor by the inboxes',
    rewrites: [
      {
        file: 'src/hub/task.ts',
        find: '  if (fence < task.fence) {',
        replace: '  return undefined;\n  if (fence < task.fence) {',
      },
      {
        file: 'src/hub/leases.ts',
        find: 'const vouches = known?.isLeased',
        replace: 'const vouches = known || known?.isLeased',
      },
      {
        file: 'src/database/inbox.ts',
        find: 'if (message.task && highestFence !== null',
        replace: 'if (false && message.task && highestFence !== null',
      },
    ],
    foundBy: 'lost bot reports late',
    breaks: ['an old fence is refused', 'an old fence has no effect'],
  },
  {
    name: 'no fence is checked by the inboxes',
    rewrites: [
      {
        file: 'src/database/inbox.ts',
        find: 'if (message.task && highestFence !== null',
        replace: 'if (false && message.task && highestFence !== null',
      },
    ],
    foundBy: 'late reports',
    breaks: ['an old fence has no effect'],
  },
  {
    name: 'a task keeps its fence when it changes hands',
    rewrites: [
      {
        file: 'src/hub/task.ts',
        find: 'fence: task.fence + 1, pinned, phase });',
        replace: 'fence: Math.max(1, task.fence), pinned, phase });',
      },
      {
        file: 'src/hub/task-ends.ts',
        find: 'attempt: task.attempt + 1, fence: task.fence + 1,',
        replace: 'attempt: task.attempt + 1, fence: task.fence,',
      },
    ],
    foundBy: 'lost bot reports late',
    breaks: ['a task has a new fence after each loss', 'an old fence is refused'],
  },
  {
    name: 'a lost task is given to nobody',
    rewrites: [
      { file: 'src/hub/leases.ts', find: 'const ended = await ledger.expire();', replace: 'const ended: any[] = [];' },
    ],
    foundBy: 'bots frozen',
    breaks: ['the mall gets over it', 'task ends'],
  },
  {
    name: 'a bot that misses a lease loses its task at once',
    rewrites: [{ file: 'src/hub/task.ts', find: "if (isLeased && onLeaseLoss !== 'reassign')", replace: 'if (false)' }],
    foundBy: 'bots not heard for a moment',
    breaks: ['a task goes on with its bot'],
  },
  {
    name: 'a task is acknowledged to the broker before it is stored',
    rewrites: [
      {
        file: 'src/hub/ingest.ts',
        find: 'if (await untilDone(delivery, span, cancel ? () => ends(cancel) : store)) delivery.ack();',
        replace: 'delivery.ack(); if (await untilDone(delivery, span, cancel ? () => ends(cancel) : store)) {}',
      },
    ],
    foundBy: 'hub killed while cut off from the database',
    breaks: ['order ends'],
  },
  {
    name: 'no inbox: what comes twice is handled twice',
    rewrites: [
      {
        file: 'src/database/inbox.ts',
        find: "if (entry.outcome === null) return 'duplicate';",
        replace: 'if (entry.outcome === null) return settle(tx, tables, message, message.task?.fence ?? null, handle);',
      },
    ],
    foundBy: 'acknowledgements of services lost',
    breaks: counted,
  },
  {
    name: 'an event is acknowledged to the broker before its effect',
    rewrites: [
      {
        file: 'src/broker/consume.ts',
        find: 'const outcome = await this.#untilDone(delivery, span);',
        replace: 'delivery.ack(); const outcome = await this.#untilDone(delivery, span);',
      },
    ],
    foundBy: 'services killed while cut off from the database',
    breaks: ['consumed exactly once'],
  },
  {
    name: 'the relay marks a message before it is published',
    rewrites: [
      {
        file: 'src/database/dispatcher.ts',
        find: 'if (!(await this.#deliver(row))) return;',
        replace: 'this.#marks.add(row.id); await this.#marks.written(); if (!(await this.#deliver(row))) return;',
      },
    ],
    foundBy: 'services killed while cut off from the broker',
    breaks: ['consumed exactly once'],
  },
  {
    name: 'the relay stops at its first error',
    rewrites: [
      {
        file: 'src/database/dispatcher.ts',
        find: "// A broker that is away fails every key's every try.",
        replace: 'await new Promise(() => {});',
      },
    ],
    foundBy: 'services cut off from the broker',
    breaks: ['outbox is published'],
  },
  {
    name: 'events are written after the transaction of their cause',
    rewrites: [
      {
        file: 'src/role/messaging.ts',
        find: 'await outbox.add(tx, events, causationId);\n        return result;',
        replace:
          "tx.afterCommit(() => { globalThis.chaos('state committed, events not'); void database.transaction((later) => outbox.add(later, events, causationId)); });\n        return result;",
      },
    ],
    foundBy: 'crash: state committed, events not',
    // Whichever was the next event of Orders: somebody does not hear of it.
    breaks: ['order ends', 'order is invoiced', 'bays are free again', 'a cancellation settles everything', ...counted],
  },
  {
    name: 'messages are published without waiting for confirms',
    rewrites: [{ file: 'src/broker/rabbitmq-publisher.ts', find: 'await channel.confirmSelect();', replace: '' }],
    foundBy: 'broker silent, then cut',
    breaks: unheard,
  },
  {
    name: 'a bot forgets what it said when it is cut off',
    rewrites: [
      {
        file: 'bots/sdk/outbox.ts',
        find: 'this.#settle(Math.min(lastSeq, this.#highestSent));',
        replace: 'this.#settle(this.#highestSent);',
      },
    ],
    foundBy: 'hub killed before the broker confirms',
    breaks: unheard,
  },
  {
    name: 'a wrong pickup code is counted in the transaction that its refusal takes back',
    rewrites: [
      {
        file: 'src/services/orders/api.ts',
        find: 'return { result: decision, events: decision.events };',
        replace: 'if (decision.refusal) throw decision.refusal; return { result: decision, events: decision.events };',
      },
    ],
    foundBy: 'pickup code guessed',
    breaks: ['a wrong pickup code counts'],
  },
];

export function defectNamed(name: string): Defect | undefined {
  const defect = defects.find((candidate) => candidate.name === name);
  if (name !== '' && !defect) throw new Error(`no defect is called "${name}"`);
  return defect;
}

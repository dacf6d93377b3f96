import { publishing } from './crash-points.ts';
import type { Named } from './rewrite.ts';

/** A mistake that somebody could make in one place of the product, and what brings it to light. */
export interface Defect extends Named {
  /** Faults that provoke it, in the order in which they are tried. */
  readonly foundBy: readonly string[];
}

export const defects: readonly Defect[] = [
  {
    name: 'reports are acknowledged before the broker has confirmed them',
    rewrites: [publishing('async (report) => { publish(report).catch(() => {}); }')],
    foundBy: ['hub cut off from the broker'],
  },
  {
    name: 'reports that could not be handled count as handled',
    rewrites: [
      { file: 'src/hub/lane.ts', find: 'if (!isPassing(error)) {', replace: 'if (isPassing(error)) return true; {' },
    ],
    foundBy: ['hub cut off from the broker'],
  },
  {
    name: 'reports get a new id each time',
    rewrites: [publishing('(report) => publish({ ...report, id: crypto.randomUUID() })')],
    foundBy: ['crash: progress confirmed, not acknowledged'],
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
    foundBy: ['answer lost: result committed, not acknowledged'],
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
    foundBy: ['lost bot reports late'],
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
    foundBy: ['late reports'],
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
    foundBy: ['lost bot reports late'],
  },
  {
    name: 'a lost task is given to nobody',
    rewrites: [
      { file: 'src/hub/leases.ts', find: 'const ended = await ledger.expire();', replace: 'const ended: any[] = [];' },
    ],
    foundBy: ['bots frozen'],
  },
  {
    name: 'a bot that misses a lease loses its task at once',
    rewrites: [{ file: 'src/hub/task.ts', find: "if (isLeased && onLeaseLoss !== 'reassign')", replace: 'if (false)' }],
    foundBy: ['bots not heard for a moment'],
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
    foundBy: ['hub killed while cut off from the database'],
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
    foundBy: ['acknowledgements of services lost'],
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
    foundBy: ['services killed while cut off from the database'],
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
    foundBy: ['services killed while cut off from the broker'],
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
    foundBy: ['services cut off from the broker'],
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
    foundBy: ['crash: state committed, events not'],
  },
  {
    name: 'messages are published without waiting for confirms',
    rewrites: [{ file: 'src/broker/rabbitmq-publisher.ts', find: 'await channel.confirmSelect();', replace: '' }],
    foundBy: ['broker silent, then cut'],
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
    foundBy: ['hub killed before the broker confirms'],
  },
];

export function defectNamed(name: string): Defect | undefined {
  const defect = defects.find((candidate) => candidate.name === name);
  if (name !== '' && !defect) throw new Error(`no defect is called "${name}"`);
  return defect;
}

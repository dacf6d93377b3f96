import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { clockSkewMs } from '../broker/journal.ts';
import { newId } from '../contract/ids.ts';
import type { TaskView } from '../gen/fleet/v1/fleet.ts';
import type { JournalEvent, ReadJournalRequest } from '../gen/staff/v1/staff.ts';
import { stopSignal } from '../runtime/stop-signal.ts';
import { readFile, whole } from './arguments.ts';
import { atDesk, type StaffApi } from './at-desk.ts';
import { exitCodes } from './exit-codes.ts';
import { escaped } from './journal-lines.ts';
import { writeJson, writeLine } from './output.ts';
import { whileRead } from './paced-output.ts';
import { kindArgument } from './protocol-sources.ts';
import { resumed, tellLost } from './resumed.ts';
import { taskView } from './staff-fleet.ts';

const help = `
The payload has the names of the kind's .proto file; what it leaves out is not
set. What belongs to orders is asked for by placing one.

Examples:
  $ mallbots staff ask inspect --payload '{"storeName": "Tea"}' --wait
  $ mallbots staff ask inspect --payload task.json --bot bot-3
  $ jq -n '{storeName: "Tea"}' | mallbots staff ask inspect --payload - --wait

With --wait the exit status is 1 when the task does not succeed.`;

interface Options {
  readonly payload: string;
  readonly revision?: number;
  readonly bot?: string;
  readonly wait?: boolean;
}

/** JSON as it stands, else of a file, or of standard input. */
function json(text: string): string {
  if (text.trimStart().startsWith('{')) return text;
  return text === '-' ? readFileSync(process.stdin.fd, 'utf8') : readFile(text);
}

export const askCommand = (): Command =>
  new Command('ask')
    .description('one task of a kind by hand, to try the kind out')
    .argument('<kind>', 'the kind', kindArgument)
    .option('--payload <json|file|->', 'what is to be done: JSON by field names', json, '{}')
    .option(
      '--revision <n>',
      'that the payload is written in (default: the newest that is ACTIVE)',
      whole(1, 1_000_000),
    )
    .option('--bot <id>', 'only this robot may do it')
    .option('--wait', 'go on with what is said of it, until it has ended')
    .addHelpText('after', help)
    .action((kind: string, { payload, revision = 0, bot = '', wait = false }: Options, command: Command) =>
      atDesk(command, async (api, json) => {
        const request = { taskId: newId(), kind, revision, payloadJson: payload, onlyBotId: bot };
        const task = (await api.askTask(request)).task!;
        if (!json) tellAsked(task);
        if (!wait) {
          if (json) writeJson({ task: taskView(task) });
          return;
        }
        const said: Said[] = [];
        for await (const each of saidOf(task, api)) {
          said.push(each);
          if (!json) writeLine(lineOf(each));
        }
        const last = said.at(-1);
        if (last?.name !== 'bots.task_succeeded')
          process.exitCode = last && isOver(last) ? exitCodes.failed : exitCodes.interrupted;
        if (json) {
          writeJson({
            task: taskView(task),
            outcome: outcomeOf(last),
            reason: last?.reason || null,
            steps: said.filter(({ name }) => name === 'bots.task_progressed').map(({ payload }) => payload),
            result: last?.name === 'bots.task_succeeded' ? last.payload : null,
          });
        }
      }),
    );

function tellAsked({ taskId, kind, revision, state }: TaskView): void {
  writeLine(`${taskId}  ${kind} revision ${revision}`);
  if (state === 'QUEUED') {
    console.error(`it waits for a robot; "mallbots protocol status ${kind}" tells how many do such tasks`);
  }
}

/** What an event says of the task. */
interface Said {
  readonly name: string;
  readonly botId: string;
  readonly reason: string;
  /** By the names of the revision that the robot spoke; base64 where nobody knows them. */
  readonly payload: unknown;
}

const ends = ['bots.task_succeeded', 'bots.task_failed', 'bots.task_cancelled'];
const isOver = ({ name }: Said): boolean => ends.includes(name);

/** Every event about the task, up to the last one; or until Ctrl-C. */
async function* saidOf({ taskId, createdAt }: TaskView, api: StaffApi): AsyncGenerator<Said> {
  const signal = whileRead(stopSignal());
  let from: ReadJournalRequest['from'] = { $case: 'time', value: new Date(createdAt!.getTime() - clockSkewMs) };
  const told = new Set<string>();
  const open = () => api.readJournal({ from, follow: true, orderId: taskId }, { signal });
  for await (const { item } of resumed(open, tellLost, signal)) {
    if (item?.$case === 'passed') from = { $case: 'position', value: item.value + 1 };
    if (item?.$case !== 'event') continue;
    from = { $case: 'position', value: item.value.position + 1 };
    // Who has missed a confirm says it twice.
    if (told.has(item.value.id)) continue;
    told.add(item.value.id);
    const said = saidIn(item.value);
    yield said;
    if (isOver(said)) return;
  }
}

function saidIn({ name, dataJson }: JournalEvent): Said {
  const data = JSON.parse(dataJson || '{}') as {
    readonly task?: { readonly botId?: string };
    readonly reason?: string;
    readonly original?: { readonly payload?: unknown };
  };
  return { name, botId: data.task?.botId ?? '', reason: data.reason ?? '', payload: data.original?.payload ?? {} };
}

function lineOf(said: Said): string {
  const { name, botId, reason, payload } = said;
  const fields = escaped(JSON.stringify(payload));
  switch (name) {
    case 'bots.task_started':
      return `${botId} begins`;
    case 'bots.task_progressed':
      return `${botId} says  ${fields}`;
    case 'bots.task_succeeded':
      return `${botId} succeeds  ${fields}`;
    case 'bots.task_lost':
      return `${botId} is lost: ${reason}; another attempt follows`;
    default:
      return `${outcomeOf(said)}: ${reason}`;
  }
}

/** "failed"; "waiting" of one that has not ended. */
const outcomeOf = (said: Said | undefined): string =>
  said && isOver(said) ? said.name.replace('bots.task_', '') : 'waiting';

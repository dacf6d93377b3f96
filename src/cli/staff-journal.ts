import { Command, InvalidArgumentError } from 'commander';
import type { JournalItem, ReadJournalRequest } from '../gen/staff/v1/staff.ts';
import { stopSignal } from '../runtime/stop-signal.ts';
import { instantOrAge } from './arguments.ts';
import { atDesk } from './at-desk.ts';
import { exitCodes } from './exit-codes.ts';
import { journalJson, journalText } from './journal-lines.ts';
import { whileRead, writePaced } from './paced-output.ts';
import { resumed, tellLost } from './resumed.ts';
import { orderIdOf } from './staff-order-id.ts';

type From = ReadJournalRequest['from'];

interface Options {
  readonly follow?: boolean;
  readonly from?: From;
  readonly order?: string;
}

const help = `
Without --from it begins at the oldest event that is kept (a month), with
--order at that order, and with --follow alone at what is said from now on. With
--json each line is a CloudEvent. A gateway that restarts while it is followed
is waited for, and nothing is missed or told twice.

Examples:
  $ mallbots staff journal --order 6f1c2b11      all about one order
  $ mallbots staff journal --follow              what happens now
  $ mallbots staff journal --from 15m            of the last quarter of an hour
  $ mallbots staff journal --from 184320 -f      on from a position
  $ mallbots staff journal --json | jq -r 'select(.type == "bots.item_short")'`;

/** An instant, an age, or a position as the journal shows them. */
function positionOrTime(text: string): From {
  if (!/^\d+$/.test(text)) return { $case: 'time', value: instantOrAge(text) };
  const value = Number(text);
  if (Number.isSafeInteger(value)) return { $case: 'position', value };
  throw new InvalidArgumentError('give a position as the journal shows it, an instant or an age such as 15m.');
}

export const journalCommand = (): Command =>
  new Command('journal')
    .description('every event of the mall, in the order in which the broker took it')
    .option('-f, --follow', 'go on with what comes, until Ctrl-C')
    .option('--from <position|time>', 'where to begin: a position, an instant (ISO 8601) or an age', positionOrTime)
    .option('--order <id>', 'only about this order; the end of its id is enough')
    .addHelpText('after', help)
    .action(({ follow = false, from, order }: Options, command: Command) =>
      atDesk(command, async (api, json) => {
        const stop = stopSignal();
        const signal = whileRead(stop);
        const orderId = order === undefined ? '' : await orderIdOf(order, api);
        let next = from;
        const open = () => api.readJournal({ from: next, follow, orderId }, { signal });
        const items = follow ? resumed(open, tellLost, signal) : open();
        for await (const item of items) {
          next = nextOf(item, next);
          if (item.item?.$case !== 'event') continue;
          const { value } = item.item;
          await writePaced(
            `${json ? journalJson(value) : journalText(value, process.stdout.columns || undefined)}\n`,
            signal,
          );
        }
        // Who follows ends it that way; who reads to the end has not got there.
        if (stop.aborted && !follow) process.exitCode = exitCodes.interrupted;
      }),
    );

/** From where to read when the stream breaks off behind this item. */
function nextOf({ item }: JournalItem, before: From): From {
  switch (item?.$case) {
    case 'begin':
      return before ?? (item.value.time && { $case: 'time', value: item.value.time });
    case 'event':
      return { $case: 'position', value: item.value.position + 1 };
    case 'passed':
      return { $case: 'position', value: item.value + 1 };
    default:
      return before;
  }
}

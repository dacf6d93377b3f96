import type { Command } from 'commander';

/** By the command's name below `mallbots staff`: what is typed behind it, and what for. Those that explain themselves at length have their own. */
const examples: Readonly<Record<string, ReadonlyArray<readonly [typed: string, what: string]>>> = {
  pickups: [
    ['', 'what waits in which bay, and is it paid'],
    ['--json | jq', 'for programs'],
  ],
  show: [
    ['6f1c2b11', 'by the end of its id'],
    ['6f1c2b11 --json', 'its time line too'],
  ],
  pay: [['6f1c2b11', '']],
  cancel: [["6f1c2b11 --reason 'water damage'", '']],
  orders: [
    ['--limit 50', ''],
    ['--state ready collectable', 'what could be picked up'],
  ],
  'hand-over': [
    ['K7P4-Q9T', 'asks before it takes what is due'],
    ['K7P4-Q9T --yes', 'takes it'],
    ['6f1c2b11', 'asks for the code'],
    ["6f1c2b11 --without-code 'passport of Ada Byron'", ''],
  ],
  refund: [
    ["6f1c2b11 --reason 'never came'", 'all that was paid'],
    ["6f1c2b11 --amount 5.60 --reason 'broken cup'", ''],
  ],
  fleet: [
    ['', ''],
    ['--all', 'those that are away too'],
  ],
  limit: [
    ['bot-3 0', 'out of service'],
    ['bot-3 2 --kind shop', 'at most two at once'],
    ['bot-3', 'as many as it takes'],
  ],
  tasks: [
    ['--stuck 30m', 'what does not get on'],
    ['--all --order 6f1c2b11', 'of one order'],
    ['--state queued suspect', ''],
  ],
  recall: [["0a3f9e12 --reason 'robot on fire'", '']],
  'parked list': [
    ['', ''],
    ['--role orders', ''],
  ],
  'parked show': [['orders/17', '']],
  'parked retry': [['orders/17', 'and what waits behind it']],
  'parked drop': [['orders/17', 'asks first']],
};

/** Adds them to the help of each command below `command`, whose name on the command line is `path`. */
export function addExamples(command: Command, path: string): void {
  for (const child of command.commands) addExamples(child, `${path} ${child.name()}`.trimStart());
  const own = examples[path] ?? [];
  if (own.length === 0) return;
  const lines = own.map(([typed, what]) => [`  $ mallbots staff ${path} ${typed}`.trimEnd(), what] as const);
  const width = Math.max(...lines.map(([line, what]) => (what ? line.length : 0)));
  const told = lines.map(([line, what]) => `${line.padEnd(width)}   ${what}`.trimEnd());
  command.addHelpText('after', `\nExamples:\n${told.join('\n')}`);
}

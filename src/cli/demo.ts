import { Command, InvalidArgumentError } from 'commander';
import { runDemo } from '../demo/demo.ts';
import { maxOrders } from '../demo/mall.ts';
import type { DemoOptions } from '../demo/options.ts';
import { printSummary } from '../demo/summary.ts';
import { startUnlessStopped, stopSignal } from '../runtime/stop-signal.ts';
import { between, maxTimeScale, whole } from './arguments.ts';
import { exitCodes } from './exit-codes.ts';

/** Of a change of the protocol: fewer have hardly a tenth to try something on. */
const fewestChangingBots = 10;
const defaultBots = { ordinarily: 4, changing: 20 };

type Given = Omit<DemoOptions, 'bots'> & { bots?: number; hubs: number; json?: boolean };

export function demoCommand(): Command {
  return new Command('demo')
    .description('open a mall, let shoppers order and robots collect, and tell it as it happens')
    .option('--orders <n>', 'orders to place', whole(1, maxOrders), 12)
    .option(
      '--bots <n>',
      `bots; up to 8, each is a process of its own (default: ${defaultBots.ordinarily}; ${defaultBots.changing} with --protocol-change)`,
      whole(1, 500),
    )
    .option('--seed <n>', 'same seed, same mall and orders', whole(0, 2 ** 31 - 1), 7)
    .option('--time-scale <x>', 'how many times faster than life the bots are', between(0.1, maxTimeScale), 20)
    .option('--crash-rate <share>', 'share of tasks during which a bot crashes and forgets all', between(0, 1), 0)
    .option('--disconnect-rate <share>', "share of tasks during which a bot's connection is cut", between(0, 1), 0)
    .option('--cancel-rate <share>', 'share of shoppers who change their minds', between(0, 1), 0)
    .option(
      '--database-url <url>',
      'a PostgreSQL server; the demo makes a database of its own there (default: an embedded one)',
      url('postgres:', 'postgresql:'),
    )
    .option(
      '--amqp-url <url>',
      'a RabbitMQ; the demo uses names of its own there (default: in process)',
      url('amqp:', 'amqps:'),
    )
    .option('--processes', 'every role in a process of its own; needs --amqp-url')
    .option('--hubs <n>', 'processes of the hub; more than one need --processes', whole(1, 8), 1)
    .option('--protocol-change', 'change the language of the tasks while orders flow, as many as that takes')
    .option('--kill-hub', 'kill -9 of a hub in the middle of that; needs --protocol-change and --processes')
    .option('--json', 'the summary as one JSON object on standard output, the story on standard error')
    .option('--keep', 'leave the database, the queues and the traces behind, and say where they are')
    .option('--timeout <s>', 'seconds after which an order that has not ended is a violation', whole(1, 86_400), 300)
    .addHelpText(
      'after',
      `
Exits with 1 when the tables, the events or the traces break a promise. Adds its
traces to MALLBOTS_TRACE_FILE, where that is set, for "mallbots trace".

Examples:
  $ mallbots demo --orders 40 --bots 8 --time-scale 50
  $ mallbots demo --protocol-change
  $ mallbots demo --processes \\
      --database-url postgres://postgres@127.0.0.1:5432/postgres \\
      --amqp-url amqp://guest:guest@127.0.0.1:5672`,
    )
    .action(async (given: Given, command: Command) => {
      const { protocolChange = false } = given;
      const options = { ...given, bots: given.bots ?? defaultBots[protocolChange ? 'changing' : 'ordinarily'] };
      if (options.processes && !options.amqpUrl) {
        command.error(
          'error: --processes needs --amqp-url: the embedded broker lives in one process and cannot be shared',
        );
      }
      if (options.hubs > 1 && !options.processes) {
        command.error('error: --hubs needs --processes: in one process there is one hub');
      }
      if (options.killHub && !(protocolChange && options.processes)) {
        command.error(
          'error: --kill-hub needs --protocol-change and --processes: in one process it would end the demo',
        );
      }
      if (protocolChange && options.bots < fewestChangingBots) {
        command.error(
          `error: --protocol-change with ${options.bots} bots has nobody to try it on; give --bots ${fewestChangingBots} or more`,
        );
      }
      const say = options.json ? (line: string) => console.error(line) : (line: string) => console.log(line);
      const stop = stopSignal();
      stop.addEventListener('abort', () => {
        say('stopping …');
        process.exitCode = exitCodes.interrupted;
      });
      await startUnlessStopped(stop, async () => {
        const report = await runDemo(options, say, stop);
        if (options.json) console.log(JSON.stringify(report));
        else printSummary(report, console.log);
        if (report.violations.length > 0) process.exitCode = exitCodes.failed;
      });
    });
}

function url(...protocols: string[]) {
  return (text: string): string => {
    if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text;
    throw new InvalidArgumentError(`give a URL that begins with ${protocols[0]}//.`);
  };
}

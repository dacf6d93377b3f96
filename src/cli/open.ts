import { Command } from 'commander';
import { readConfig } from '../config.ts';
import { drawMall } from '../demo/mall.ts';
import { openMall } from '../demo/open-mall.ts';
import { whole } from './arguments.ts';
import { unreachable } from './unreachable.ts';

export function openCommand(): Command {
  return new Command('open')
    .description('open a mall in a system that has none: stores with products, prices and stock')
    .option('--seed <n>', 'same seed, same mall', whole(0, 2 ** 31 - 1), 7)
    .addHelpText(
      'after',
      '\nAsks the stores role at MALLBOTS_STORES_ADDRESS. A mall that is open already\nstays as it is.',
    )
    .action(async ({ seed }: { seed: number }) => {
      const address = readConfig().address.stores;
      const { opened } = await openMall(drawMall(seed), address).catch((error: unknown) => {
        throw unreachable(error, 'stores', address, 'set MALLBOTS_STORES_ADDRESS') ?? error;
      });
      console.log(opened ? 'the mall is open' : 'the mall was open already');
    });
}

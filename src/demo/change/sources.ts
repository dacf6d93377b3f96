import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inScratch } from '../../hub/protocol/check/buf.ts';
import { compileDirectory } from '../../hub/protocol/check/compile.ts';

/** A .proto file that somebody publishes as the next revision of a kind, and why. */
export interface Source {
  readonly kind: string;
  readonly path: string;
  readonly text: string;
  readonly reason: string;
}

export interface CompiledSource extends Source {
  readonly fileDescriptorSet: Buffer;
}

const builtIn = (): string => readFileSync(new URL('../../../proto/kinds/shop/v1/shop.proto', import.meta.url), 'utf8');

function edited(text: string, from: string, to: string): string {
  if (text.split(from).length !== 2) throw new Error(`"${from}" is not once in the source`);
  return text.replace(from, () => to);
}

const shop = (text: string, reason: string): Source => ({ kind: 'shop', path: 'shop.proto', text, reason });

/** The field that revision 2 adds, by its name in JSON, to what a robot says when it reaches a stop. */
export const newField = 'batteryPercent';

const withBattery = (): string =>
  edited(builtIn(), '  uint32 stop_index = 2;\n', '  uint32 stop_index = 2;\n  uint32 battery_percent = 3;\n');

/** What is published of kind `shop`, in this order: one field more, something that breaks, and something that is fine by the rules and not by all bots. */
export const shopSources = {
  better: () => shop(withBattery(), 'robots say their charge at each stop'),
  breaking: () =>
    shop(edited(withBattery(), 'uint32 picked = 2;', 'string picked = 2;'), 'somebody would rather have words'),
  unwelcome: () =>
    shop(
      edited(
        withBattery(),
        '  double walked_metres = 2;\n',
        '  double walked_metres = 2;\n  uint32 steps_climbed = 3;\n',
      ),
      'robots count stairs',
    ),
};

/** A kind that nobody has heard of, the bots included. */
export const inspectSource: Source = {
  kind: 'inspect',
  path: 'inspect.proto',
  reason: 'the mall wants to know which stores are tidy',
  text: `syntax = "proto3";

// The language of kind \`inspect\`: walk to a store and say whether it is tidy.
package kinds.inspect.v1;

message InspectTask {
  string store_name = 1;
  Place place = 2;
}

// Metres from the depot.
message Place {
  double x = 1;
  double y = 2;
}

message InspectProgress {
  string store_name = 1;
  double metres = 2;
}

message InspectResult {
  string store_name = 1;
  bool tidy = 2;
  double walked_metres = 3;
}
`,
};

/** What `mallbots protocol publish` makes of a directory with the file in it. */
export const compiled = (source: Source): Promise<CompiledSource> =>
  inScratch(async (directory) => {
    await writeFile(join(directory, source.path), source.text);
    const { fileDescriptorSet } = await compileDirectory(directory);
    return { ...source, fileDescriptorSet: Buffer.from(fileDescriptorSet) };
  });

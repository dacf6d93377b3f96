import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../rules/modules.ts';
import { compiled } from './source.ts';

const first = readFileSync(join(root, 'proto/kinds/shop/v1/shop.proto'), 'utf8');

/** The source of a revision of kind shop: from the second on, its progress says `number` less one things more than that of the first. */
export function shopRevision(number: number): string {
  const more = Array.from({ length: number - 1 }, (_, index) => `  string note_${index + 1} = ${100 + index};`);
  return first.replace('message ShopProgress {\n', `message ShopProgress {\n${more.join('\n')}\n`);
}

/** Descriptors of a source, as a publisher sends them. */
export const descriptorsOf = async (source: string): Promise<Buffer> =>
  Buffer.from((await compiled({ 'shop.proto': source })).fileDescriptorSet);

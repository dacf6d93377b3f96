import type { Address, ExchangeSpec } from '../contract/topology.ts';

/** Whether an exchange of this type sends a message with `routingKey` to a queue bound with `pattern` (AMQP 0-9-1, 3.1.3). */
export function routes(type: ExchangeSpec['type'], pattern: string, routingKey: string): boolean {
  if (type === 'direct') return pattern === routingKey;
  return matchesWords(pattern.split('.'), routingKey.split('.'));
}

/** `*` stands for exactly one word, `#` for none or more. */
function matchesWords(pattern: readonly string[], words: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return words.length === 0;
  if (first === '#') return matchesWords(rest, words) || (words.length > 0 && matchesWords(pattern, words.slice(1)));
  return words.length > 0 && (first === '*' || first === words[0]) && matchesWords(rest, words.slice(1));
}

export const bindingOf = (bindings: readonly Address[], exchange: ExchangeSpec, routingKey: string): boolean =>
  bindings.some(
    (binding) => binding.exchange === exchange.name && routes(exchange.type, binding.routingKey, routingKey),
  );

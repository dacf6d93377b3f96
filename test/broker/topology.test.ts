import { describe, expect, test } from 'vitest';
import { routes } from '../../src/broker/routing.ts';
import { isMessageName, messageNames } from '../../src/contract/events.ts';
import { addressOf, inboxOf, mallTopology, type Subscriber, subscriptions } from '../../src/contract/topology.ts';

const { exchanges, queues, streams } = mallTopology;
const exchangeNamed = (name: string) => exchanges.find((exchange) => exchange.name === name);

/** Queues that a message of this name reaches. */
const reached = (name: (typeof messageNames)[number]) => {
  const to = addressOf(name);
  const { type } = exchangeNamed(to.exchange)!;
  return queues.filter(({ bindings }) =>
    bindings.some((binding) => binding.exchange === to.exchange && routes(type, binding.routingKey, to.routingKey)),
  );
};

describe('topology', () => {
  test('has every name once', () => {
    for (const specs of [exchanges, queues]) {
      const names = specs.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      expect(names.length).toBeGreaterThan(0);
    }
  });

  test.each(messageNames)('%s goes to a declared exchange and reaches a queue', (name) => {
    expect(exchangeNamed(addressOf(name).exchange)).toBeDefined();
    expect(reached(name).length).toBeGreaterThan(0);
  });

  test('binds queues only to exchanges that it declares, with keys that are published', () => {
    const published = new Set(messageNames.map((name) => JSON.stringify(addressOf(name))));
    for (const { bindings } of queues) {
      for (const binding of bindings) expect(published).toContain(JSON.stringify(binding));
    }
  });

  test.each(Object.keys(subscriptions) as Subscriber[])(
    '%s gets what it subscribes to, once, and nothing else',
    (subscriber) => {
      const subscribed: readonly string[] = subscriptions[subscriber];
      expect(subscribed.filter((name) => !isMessageName(name))).toEqual([]);
      expect(new Set(subscribed).size).toBe(subscribed.length);
      const got = messageNames.filter((name) => reached(name).some((queue) => queue.name === inboxOf(subscriber)));
      expect(got.toSorted()).toEqual(subscribed.toSorted());
    },
  );

  test('keeps every event in the journal, and no command', () => {
    const kept = messageNames.filter((name) => {
      const to = addressOf(name);
      return streams.some(({ bindings }) =>
        bindings.some((each) => each.exchange === to.exchange && each.routingKey === to.routingKey),
      );
    });
    expect(streams.map(({ name }) => name)).toEqual(['journal']);
    expect(messageNames.filter((name) => !kept.includes(name))).toEqual([
      'depot.task_requested',
      'depot.task_cancel_requested',
    ]);
  });

  test('keeps the inboxes in order, and lets the hubs compete', () => {
    for (const { name, singleActiveConsumer } of queues)
      expect([name, singleActiveConsumer]).toEqual([name, name !== 'hub.tasks']);
  });
});

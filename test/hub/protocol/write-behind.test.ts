import { afterEach, expect, it, vi } from 'vitest';
import type { Database, Orm } from '../../../src/database/port.ts';
import { WriteBehind } from '../../../src/hub/protocol/write-behind.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';

interface Row {
  readonly key: string;
  readonly value: number;
}

afterEach(() => void vi.useRealTimers());

/** `answer` is what each statement waits for. */
function behind(answer = () => Promise.resolve()) {
  vi.useFakeTimers();
  const statements: Row[][] = [];
  const rows = new WriteBehind<Row>({
    database: { query: (work: (orm: Orm) => Promise<void>) => work({} as Orm) } as unknown as Database,
    logger: createLogger('test', 'silent'),
    what: 'rows',
    keyOf: ({ key }) => key,
    write: async (_, written) => {
      statements.push([...written]);
      await answer();
    },
  }).start();
  return { rows, statements };
}

it('writes what is noted within a moment in one statement, the newest of each key', async () => {
  const { rows, statements } = behind();
  for (let value = 0; value < 50; value += 1) {
    rows.note({ key: `bot-${value % 10}`, value });
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(statements).toEqual([]);
  await vi.advanceTimersByTimeAsync(100);
  expect(statements).toEqual([Array.from({ length: 10 }, (_, bot) => ({ key: `bot-${bot}`, value: 40 + bot }))]);
  await rows.stop();
});

it('writes what waits at its stop, without waiting for more', async () => {
  const { rows, statements } = behind();
  rows.note({ key: 'bot-1', value: 1 });
  await vi.advanceTimersByTimeAsync(0);
  await rows.stop();
  expect(statements.flat()).toEqual([{ key: 'bot-1', value: 1 }]);
});

it('writes what is noted while the row before it is being written', async () => {
  const answered = Promise.withResolvers<void>();
  const { rows, statements } = behind(() => answered.promise);
  rows.note({ key: 'bot-1', value: 1 });
  await vi.advanceTimersByTimeAsync(200);
  rows.note({ key: 'bot-1', value: 2 });
  answered.resolve();
  await vi.advanceTimersByTimeAsync(200);
  expect(statements).toEqual([[{ key: 'bot-1', value: 1 }], [{ key: 'bot-1', value: 2 }]]);
  await rows.stop();
});

it('keeps what the database does not take, and writes it as soon as that does', async () => {
  let isDown = true;
  const { rows, statements } = behind(async () => {
    if (isDown) throw new Error('down');
  });
  rows.note({ key: 'bot-1', value: 1 });
  await vi.advanceTimersByTimeAsync(200);
  expect(statements).toHaveLength(1);
  isDown = false;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(statements.at(-1)).toEqual([{ key: 'bot-1', value: 1 }]);
  const written = statements.length;
  await rows.stop();
  expect(statements).toHaveLength(written);
});

import { get, type IncomingMessage } from 'node:http';

export interface ServerEvent {
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a program in another language sees.
  readonly data: any;
}

/** A stream of server-sent events as a browser reads it, step by step. */
export async function openEvents(url: string, headers: Record<string, string> = {}) {
  const hangUp = new AbortController();
  const response = await fetch(url, { headers, signal: hangUp.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let unread = '';
  /** The next block of lines; undefined at the end of the stream. */
  async function nextBlock(): Promise<string[] | undefined> {
    for (;;) {
      const end = unread.indexOf('\n\n');
      if (end >= 0) {
        const block = unread.slice(0, end);
        unread = unread.slice(end + 2);
        return block.split('\n');
      }
      const chunk = await reader?.read();
      if (!chunk || chunk.done) return undefined;
      unread += chunk.value;
    }
  }
  async function next(): Promise<ServerEvent | undefined> {
    for (let block = await nextBlock(); block; block = await nextBlock()) {
      const fields = Object.fromEntries(block.map((line) => line.split(/: (.*)/s)));
      if (fields.event) return { id: fields.id, event: fields.event, data: JSON.parse(fields.data) };
    }
    return undefined;
  }
  return {
    status: response.status,
    headers: response.headers,
    next,
    nextBlock,
    async take(count: number): Promise<ServerEvent[]> {
      const events: ServerEvent[] = [];
      while (events.length < count) {
        const event = await next();
        if (!event) throw new Error(`the stream ended after ${events.length} of ${count} events`);
        events.push(event);
      }
      return events;
    },
    /** What is left, to the end of the stream. */
    async rest(): Promise<ServerEvent[]> {
      const events: ServerEvent[] = [];
      for (let event = await next(); event; event = await next()) events.push(event);
      return events;
    },
    hangUp: () => hangUp.abort(),
  };
}

/** Asks for `url` and reads nothing of the answer until it is told to; then says how that ended. */
export function openWithoutReading(url: string): { readNow(): Promise<'cut' | 'ended'> } {
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    // Without a listener for its data a response stays paused.
    get(url, resolve).once('error', reject);
  });
  return {
    async readNow() {
      const response = await answer;
      return new Promise((resolve) => {
        response.once('error', () => resolve('cut'));
        response.once('end', () => resolve('ended'));
        response.resume();
      });
    },
  };
}

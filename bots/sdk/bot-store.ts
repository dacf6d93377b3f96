/** Where a bot keeps what must survive its process: a log of lines. Synchronous: a line is kept when `append` returns. */
export interface BotStore {
  /** All lines, oldest first. Takes the store for this process. */
  open(): readonly string[];
  append(line: string): void;
  /** Puts these lines in the place of all there are, or leaves those. */
  rewrite(lines: readonly string[]): void;
  close(): void;
}

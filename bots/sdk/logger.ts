/** What the SDK logs to; a pino logger fits. */
export interface BotLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const nothing = () => {};

export const silentLogger: BotLogger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export { type BackoffPolicy, defaultBackoff } from './backoff.ts';
export { type Bot, connectBot } from './bot.ts';
export type { BotOptions } from './bot-options.ts';
export { type BotEvents, type BotState, HubRefused } from './bot-state.ts';
export { type Codec, defineKind, type Kind, type KindDefinition, type ServedKind } from './kind.ts';
export * from './kinds/return.ts';
export * from './kinds/shop.ts';
export type { BotLogger } from './logger.ts';
export { type AbortCause, type Handler, type Step, type Task, TaskAborted, TaskFailed } from './task.ts';

export {
  type Nack,
  NackReason,
  type ProtocolStatus,
  type RetiredKind,
  RevisionStatus,
  type SchemaRef,
} from '../../src/gen/fleet/v1/fleet.ts';
export { type BackoffPolicy, defaultBackoff } from './backoff.ts';
export { type Bot, connectBot } from './bot.ts';
export type { BotOptions } from './bot-options.ts';
export { type BotEvents, type BotState, HubRefused } from './bot-state.ts';
export type { BotStore } from './bot-store.ts';
export { otherKinds } from './credits.ts';
export { fileStore } from './file-store.ts';
export { anyKind, type GenericHandler, type GenericKind, type GenericTask, genericKind } from './generic.ts';
export { type Codec, defineKind, type Kind, type KindDefinition, type ServedKind, withFields } from './kind.ts';
export * from './kinds/return.ts';
export * from './kinds/shop.ts';
export { type Accept, maxRevisionBytes, maxRevisions } from './language.ts';
export type { BotLogger } from './logger.ts';
export { outboxLimit } from './outbox.ts';
export type { Description, Schema } from './schema.ts';
export { type AbortCause, type Handler, type Step, type Task, TaskAborted, TaskFailed } from './task.ts';

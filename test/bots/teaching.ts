import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Bot, type BotOptions, connectBot, shopKind } from '../../bots/sdk/index.ts';
import { type Revision, RevisionStatus, type SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';
import { written } from '../support/revisions.ts';
import { type ScriptedHub, type ScriptedSession, startScriptedHub } from '../support/scripted-hub.ts';
import { nothingPicked, quick, type ShopHandler } from './robot.ts';

const { APPLIED, REJECTED } = RevisionStatus;
export const idle: ShopHandler = async () => nothingPicked;

export async function startHub(): Promise<ScriptedHub> {
  const hub = await startScriptedHub();
  onTestFinished(() => hub[Symbol.asyncDispose]());
  return hub;
}

/** A bot of one hub, for tests that start several of them one after the other. */
export function start(hub: ScriptedHub, options: Partial<BotOptions>): Bot {
  const bot = connectBot({
    hub: hub.address,
    botId: 'bot-1',
    kinds: [shopKind.serve(idle)],
    reconnect: quick,
    ...options,
  });
  onTestFinished(() => bot.kill());
  return bot;
}

export async function welcomed(hub: ScriptedHub) {
  const session = await hub.nextSession();
  // Nothing is acknowledged here.
  const { body: hello } = await session.welcome({ maxUnacknowledged: 1_000 });
  return { session, hello };
}

export const offer = (session: ScriptedSession, add: Revision[], remove: string[] = []) =>
  session.send({ $case: 'protocolOffer', value: { add, remove, retired: [] } });

/** The last word on the next revision. */
export async function verdict(session: ScriptedSession) {
  for (;;) {
    const { body } = await session.next('protocolStatus');
    if (body.status === APPLIED || body.status === REJECTED) return body;
  }
}

export async function teach(session: ScriptedSession, revision: Revision): Promise<void> {
  offer(session, [revision]);
  const { status, reason } = await verdict(session);
  if (status !== APPLIED) throw new Error(reason);
}

export const taskOf = (revision: Revision, taskId: string, json: Parameters<typeof written>[2]) => ({
  taskId,
  orderId: 'order-1',
  schema: revision.schema as SchemaRef,
  payload: written(revision, 'taskMessage', json),
});

/** Of a bot's file, which goes with the test. */
export function newStore(): string {
  const directory = mkdtempSync(join(tmpdir(), 'bot-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, 'bot.log');
}

import { trace } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { nearestWilling } from '../../src/hub/assign.ts';
import { Dispatch, type DispatchPorts } from '../../src/hub/dispatch.ts';
import { policiesOf } from '../../src/hub/kinds/policy.ts';
import { LiveBot } from '../../src/hub/live-bot.ts';
import { ProtocolView } from '../../src/hub/protocol/view.ts';
import { Roster } from '../../src/hub/roster.ts';
import type { Task } from '../../src/hub/task-phase.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { shopSchema } from './raw-bot.ts';

const messages = { taskMessage: '', progressMessage: '', resultMessage: '', fileDescriptorSet: Buffer.alloc(0) };
const view = new ProtocolView(
  new Map([['shop', 1]]),
  [{ schema: shopSchema, state: 'ACTIVE', offer: { schema: shopSchema, ...messages } }],
  [],
);

/** One bot, and what it is sent and what the ledger hears. */
function mall(payloadOf: (task: Task) => Uint8Array) {
  const [sent, heard]: [string[], unknown[]] = [[], []];
  const introduction = {
    ...{ botId: 'bot', kinds: new Set(['shop']), anyKind: false, position: undefined },
    ...{ digests: [shopSchema.digest], credits: [['shop', 1]] },
  };
  const limits = { of: () => Number.POSITIVE_INFINITY };
  const bot = new LiveBot(introduction as never, { sessionId: 's', epoch: 1 }, view, limits, 0);
  const roster = new Roster(1);
  roster.add({ bot, takesOffers: true, send: ({ $case }) => sent.push($case) > 0, input: () => {} });
  const dispatch = new Dispatch({
    ...{ roster, assign: nearestWilling, armOf: () => undefined, policyOf: policiesOf({}) },
    ledger: {
      apply: async (...[taskId, input]: Parameters<DispatchPorts['ledger']['apply']>) => heard.push([taskId, input]),
    } as unknown as DispatchPorts['ledger'],
    languages: () => ({
      isBarred: () => false,
      payloadOf,
      nameOf: () => '',
      kindOf: () => '',
    }),
    times: { offerMs: 1_000 } as DispatchPorts['times'],
    metrics: { dispatched: () => {} } as unknown as DispatchPorts['metrics'],
    ...{ tracer: trace.getTracer('test'), logger: silentLogger },
  });
  return { bot, dispatch, sent, heard };
}
const queued: Task = {
  ...{ taskId: newId(), orderId: newId(), schema: shopSchema, payload: Buffer.from('tour'), priority: 0 },
  ...{ deadline: undefined, onlyBotId: '', maxAttempts: 3, position: undefined },
  ...{ traceparent: '', correlationId: '', causationId: '', createdAt: new Date(), since: new Date() },
  ...{ attempt: 1, fence: 1, lost: undefined, pinned: undefined, phase: { state: 'QUEUED', notBefore: new Date() } },
};

const withdrawn = [[queued.taskId, { type: 'detached', fence: 1 }]];

it.each<{ what: string; meanwhile?: (bot: LiveBot) => void; payloadOf?: () => never; isOffered: boolean }>([
  { what: 'is offered to the bot that was chosen', isOffered: true },
  {
    what: 'is withdrawn where the bot rejected its revision while the choice was written',
    meanwhile: (bot) => bot.answered(shopSchema, 'REJECTED'),
    isOffered: false,
  },
  {
    what: 'is withdrawn where its language has lost the word for it meanwhile',
    payloadOf: () => {
      throw new Error('no word for it');
    },
    isOffered: false,
  },
])('a task $what', async ({ meanwhile = () => {}, payloadOf = ({ payload }: Task) => payload, isOffered }) => {
  const { bot, dispatch, sent, heard } = mall(payloadOf);
  await dispatch.place(async (choose) => {
    const chosen = choose([queued]);
    expect(chosen).toMatchObject([{ botId: 'bot', schema: shopSchema }]);
    meanwhile(bot);
    const phase = { state: 'OFFERED', botId: 'bot', heldUntil: new Date() } as const;
    return chosen.map(({ task, schema }) => ({ ...task, pinned: schema, phase }));
  });
  expect({ sent, heard }).toEqual(isOffered ? { sent: ['offer'], heard: [] } : { sent: [], heard: withdrawn });
  expect(bot.held).toHaveLength(isOffered ? 1 : 0);
});

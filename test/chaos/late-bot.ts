import { NackReason, Outcome } from '../../src/gen/fleet/v1/fleet.ts';
import { ShopResult, ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { nackReasonName } from '../../src/hub/refusal.ts';
import { type Assignment, RawBot } from '../hub/raw-bot.ts';
import { PromiseBroken, until } from './cast.ts';
import type { ChaosMall } from './mall.ts';

const botId = 'late-bot';

/**
 * A bot takes a task, begins it and is gone for so long that another bot has it. Back then, it says nothing of the task in its hello, where it
 * would hear that it is to abandon it, and reports under its old fence that every shelf was empty.
 * @throws PromiseBroken when the hub does not refuse what it says, NotInTime when nothing is offered to it or nobody takes over
 */
export async function reportLate({ fleet, signal }: ChaosMall, address: string): Promise<string> {
  const before = new RawBot(address, { botId });
  const { task, result } = await begin(before, signal).finally(() => before.cut());

  const isTakenOver = async () => {
    const now = (await fleet.openTasks())?.find(({ taskId }) => taskId === task.taskId);
    return now !== undefined && now.botId !== botId && (now.state === 'LEASED' || now.state === 'RUNNING');
  };
  await until(`another bot has the task of ${botId}, which is gone`, isTakenOver, signal);

  const after = new RawBot(address, { ...before.hello, credits: [] });
  try {
    await arrival('it is welcome again', after.welcomed(), signal);
    const reports = [
      after.progress(task, undefined, { started: true }),
      after.result(task, { outcome: Outcome.SUCCEEDED, payload: result }),
    ];
    await arrival('what it reports is answered', after.acknowledged(reports.at(-1)!), signal);
    const answers = reports.map((seq) => answerTo(after, seq));
    if (answers.every((answer) => answer === NackReason.STALE_FENCE)) return `which refused fence ${task.fence}`;
    const said = answers.map((answer) => (answer === undefined ? 'accepted' : nackReasonName(answer))).join(', ');
    const message = `what ${botId} said under fence ${task.fence} of task ${task.taskId}, which another bot has, is ${said}`;
    throw new PromiseBroken('an old fence is refused', message);
  } finally {
    after.cut();
  }
}

/** Why the hub refused the frame; undefined when it did not. */
function answerTo(bot: RawBot, seq: number): NackReason | undefined {
  const nacks = bot.frames.flatMap(({ body }) => (body?.$case === 'nack' ? [body.value] : []));
  return nacks.find((nack) => nack.seq === seq)?.reason;
}

/** Up to its first report; with the result that it will come back with. */
async function begin(bot: RawBot, signal: AbortSignal): Promise<{ task: Assignment; result: Buffer }> {
  await arrival('it is welcome', bot.welcomed(), signal);
  const stopBeating = bot.keepBeating([]);
  const { value: offer } = await arrival('it is offered a task', bot.next('offer'), signal);
  bot.reply(offer, true);
  await arrival('it has its lease', bot.next('lease'), signal);
  await arrival('it has begun', bot.acknowledged(bot.progress(offer, undefined, { started: true })), signal);
  stopBeating();
  const { stops } = ShopTask.decode(offer.payload);
  const lines = stops.flatMap(({ items }) =>
    items.map(({ lineId, quantity: short }) => ({ lineId, picked: 0, short })),
  );
  return {
    task: { taskId: offer.taskId, fence: offer.fence },
    result: Buffer.from(ShopResult.encode({ lines, walkedMetres: 1 }).finish()),
  };
}

/** @throws NotInTime when it takes too long, Error when the stream ends before it */
async function arrival<T>(what: string, awaited: Promise<T>, signal: AbortSignal): Promise<T> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  awaited.then(settle, settle);
  await until(`${botId}: ${what}`, () => isSettled, signal);
  return awaited;
}

import { Command, InvalidArgumentError } from 'commander';
import { notFound } from '../contract/errors.ts';
import type { ParkedAt } from '../gen/staff/v1/staff.ts';
import { atDesk, type StaffApi } from './at-desk.ts';
import { confirm } from './confirm.ts';
import { formatAge, writeJson, writeLine, writeTable } from './output.ts';
import { shortId } from './staff-order-id.ts';

/** How commands name a parked message: as `list` shows it, `orders/17`. */
interface Place {
  readonly role: string;
  readonly id: number;
}

function place(text: string): Place {
  const [, role, id] = /^([a-z]+)\/(\d{1,15})$/.exec(text) ?? [];
  if (role && id) return { role, id: Number(id) };
  throw new InvalidArgumentError('give role/number as "mallbots staff parked list" shows it, for example orders/17.');
}

const messageArgument = ['<message>', 'role/number, as `list` shows it', place] as const;

const examples = `
A service that cannot handle a message tries again, then puts it aside, and what
comes later about the same thing (order, product, store) behind it.

Examples:
  $ mallbots staff parked list
  $ mallbots staff parked show orders/17
  $ mallbots staff parked retry orders/17   and what waits behind it
  $ mallbots staff parked drop orders/17    give it up, for good`;

export function parkedCommand(): Command {
  const parked = new Command('parked')
    .description('messages that a service could not handle: list, show, retry, drop')
    .addHelpText('after', examples);

  parked
    .command('list')
    .description('all of them, by role and in the order of arrival')
    .option('--role <role>', 'only of this role: orders, stores, payments, depot, kiosk')
    .option('--key <id>', 'only about this order, product or store')
    .action(({ role = '', key = '' }: { role?: string; key?: string }, command: Command) =>
      atDesk(command, async (api, json) => {
        const { parked: found, unreachable } = await api.listParked({ role, key, afterId: 0 });
        if (json) writeJson({ parked: found.map(viewOf), unreachable });
        else writeParked(found, unreachable, new Date());
      }),
    );

  parked
    .command('show')
    .description('one message: why it failed, and what it says')
    .argument(...messageArgument)
    .action((at: Place, _options, command: Command) =>
      atDesk(command, async (api, json) => {
        const found = await findParked(api, at);
        if (json) writeJson(viewOf(found));
        else writeMessage(found);
      }),
    );

  parked
    .command('retry')
    .description('handle it again, with all that waits behind it')
    .argument(...messageArgument)
    .action((at: Place, _options, command: Command) =>
      atDesk(command, async (api, json) => {
        const { message } = await findParked(api, at);
        const { settled, left, failure } = await api.retryParked({ role: at.role, key: message?.key ?? '' });
        if (json) writeJson({ settled, left, failure: failure || null });
        else writeLine(left === 0 ? `${settled} handled, none left` : `${settled} handled, ${left} left: ${failure}`);
      }),
    );

  parked
    .command('drop')
    .description('give it up, for good')
    .argument(...messageArgument)
    .option('-y, --yes', 'do not ask')
    .action((at: Place, { yes }: { yes?: boolean }, command: Command) =>
      atDesk(command, async (api, json) => {
        const { message } = await findParked(api, at);
        await confirm(`give up ${message?.name} ${message?.messageId}? Its effect will be missing for good`, yes);
        const { message: dropped } = await api.dropParked(at);
        if (json) writeJson(viewOf({ role: at.role, message: dropped }));
        else writeLine(`${dropped?.name} ${dropped?.messageId} is given up; retry what waits behind it`);
      }),
    );

  return parked;
}

async function findParked(api: StaffApi, { role, id }: Place): Promise<ParkedAt> {
  const { parked } = await api.listParked({ role, key: '', afterId: id - 1 });
  const found = parked.find(({ message }) => message?.id === id);
  if (found) return found;
  throw notFound('parked message', 'message', `${role}/${id}`, 'it may have been retried or dropped meanwhile');
}

function writeParked(found: readonly ParkedAt[], unreachable: readonly string[], now: Date): void {
  if (found.length > 0) {
    writeTable(
      ['message', 'event', 'about', 'tries', 'why', 'since'],
      found.map(({ role, message }) => [
        `${role}/${message?.id}`,
        message?.name ?? '',
        shortId(message?.key ?? ''),
        message?.attempts ? String(message.attempts) : 'waits',
        message?.reason ?? '',
        message?.parkedAt ? formatAge(message.parkedAt, now) : '',
      ]),
    );
  } else writeLine(unreachable.length > 0 ? 'nothing is parked where it could be asked' : 'nothing is parked');
  if (unreachable.length > 0) writeLine(`could not be asked: ${unreachable.join(', ')}`);
}

function writeMessage({ role, message }: ParkedAt): void {
  if (!message) return;
  const { id, name, messageId, key, source, correlationId, attempts, occurredAt, parkedAt, reason, bodyJson } = message;
  writeLine(`${role}/${id}: ${name} ${messageId} from ${source}`);
  writeLine(`about ${key}, correlation ${correlationId}`);
  writeLine(`said ${occurredAt?.toISOString()}, parked ${parkedAt?.toISOString()} after ${attempts} tries`);
  writeLine(reason);
  writeLine(bodyJson ? JSON.stringify(JSON.parse(bodyJson), null, 2) : 'its body cannot be read');
}

const viewOf = ({ role, message }: ParkedAt) => ({
  role,
  id: message?.id ?? null,
  messageId: message?.messageId ?? null,
  name: message?.name ?? null,
  key: message?.key ?? null,
  correlationId: message?.correlationId ?? null,
  source: message?.source ?? null,
  traceparent: message?.traceparent || null,
  reason: message?.reason ?? null,
  attempts: message?.attempts ?? null,
  occurredAt: message?.occurredAt?.toISOString() ?? null,
  parkedAt: message?.parkedAt?.toISOString() ?? null,
  body: message?.bodyJson ? (JSON.parse(message.bodyJson) as unknown) : null,
});

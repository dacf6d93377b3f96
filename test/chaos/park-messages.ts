import { sql } from 'drizzle-orm';
import { newId } from '../../src/contract/ids.ts';
import { StaffService } from '../../src/gen/staff/v1/staff.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { until } from './cast.ts';
import type { Fault } from './fault.ts';

/** Those that subscribe to the message. */
const takers = ['orders', 'kiosk'];

/**
 * A message about an order under way that nobody can read: it is parked, with all that comes later about the order, until staff drop it and have the
 * others tried again. Nothing of it stays in the tables, so that the audit need not know of it.
 */
export const messagesParked: Fault = {
  name: 'messages parked',
  async inflict({ crowd, database, stage, signal }) {
    await until('an order is under way', () => crowd.newest !== undefined, signal);
    const orderId = crowd.newest!;
    const messageId = newId();
    await database.query((orm) =>
      orm.execute(sql`
        insert into payments.outbox (message_id, name, key, correlation_id, causation_id, traceparent, body, occurred_at)
        select ${messageId}, 'payments.paid', id, id, ${messageId}, traceparent, '\\xffff'::bytea, now() from orders.orders where id = ${orderId}`),
    );
    const { api, close } = connectClient(StaffService, stage.config.address.staff, crowd.telemetry);
    const parked = async () => (await api.listParked({ role: '', key: orderId, afterId: 0 })).parked;
    const waiting = (of: Awaited<ReturnType<typeof parked>>) =>
      of.flatMap(({ role, message }) => (message && message.messageId !== messageId ? [role] : []));
    try {
      await until(
        'both have parked it, and something behind it',
        async () => {
          const found = await parked();
          const unread = found.filter(({ message }) => message?.messageId === messageId);
          return unread.length === takers.length && waiting(found).length > 0;
        },
        signal,
      );
      let retried = 0;
      for (const { role, message } of await parked()) {
        if (message?.messageId === messageId) await api.dropParked({ role, id: message.id });
      }
      for (const role of takers) {
        retried += (await api.retryParked({ role, key: orderId })).settled;
      }
      await until('nothing of the order is parked', async () => (await parked()).length === 0, signal);
      await database.query((orm) => orm.execute(sql`delete from payments.outbox where message_id = ${messageId}`));
      return `${retried} behind one that nobody can read, of one order`;
    } finally {
      close();
    }
  },
};

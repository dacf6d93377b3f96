import type { Draft } from '../../contract/message.ts';
import { append, type EventMeta, read, readSeveral } from '../../database/event-store.ts';
import type { Orm, Transaction } from '../../database/port.ts';
import { announce } from './announce.ts';
import { decide } from './decide.ts';
import { evolve, foldInvoice } from './invoice.ts';
import type { Invoice, InvoiceCommand, InvoiceEvent } from './messages.ts';
import { events } from './store.ts';

/** The shape of `InvoiceEvent`'s data. */
const schemaVersion = 1;

/** An invoice and how many events its stream has. */
export interface VersionedInvoice {
  readonly invoice: Invoice;
  readonly version: number;
}

/** After a change; the drafts have to leave with its transaction. */
export interface ChangedInvoice extends VersionedInvoice {
  readonly drafts: readonly Draft[];
}

const streamOf = (orderId: string): string => `invoice-${orderId}`;

export async function readInvoice(orm: Orm, orderId: string): Promise<VersionedInvoice | undefined> {
  const stream = await read(orm, { events }, streamOf(orderId));
  return stream.length > 0 ? versioned(stream) : undefined;
}

export const invoiceEvents = (orm: Orm, orderIds: readonly string[]) =>
  readSeveral(orm, { events }, orderIds.map(streamOf));

/** Those of them that are issued. */
export async function readInvoices(orm: Orm, orderIds: readonly string[]): Promise<VersionedInvoice[]> {
  const streams = Map.groupBy(await invoiceEvents(orm, orderIds), ({ streamId }) => streamId);
  return [...streams.values()].map(versioned);
}

/** Of a stream that has begun. */
const versioned = (stream: ReadonlyArray<{ readonly type: string; readonly data: unknown }>): VersionedInvoice => ({
  invoice: foldInvoice(stream.map(({ type, data }) => ({ type, data }) as InvoiceEvent))!,
  version: stream.length,
});

/**
 * Decides on the invoice as it was read in this transaction and appends what follows.
 * @throws MallError ABORTED when somebody else appended meanwhile, and what `decide` throws
 */
export async function changeInvoice(
  tx: Transaction,
  orderId: string,
  before: VersionedInvoice | undefined,
  command: InvoiceCommand,
  meta: EventMeta,
): Promise<ChangedInvoice> {
  const version = before?.version ?? 0;
  const added = decide(before?.invoice, command);
  const stored = added.map(({ type, data }) => ({ type, schemaVersion, data, meta }));
  await append(tx, { events }, streamOf(orderId), version, stored);
  const invoice = added.reduce<Invoice | undefined>(evolve, before?.invoice)!;
  return { invoice, version: version + added.length, drafts: added.map((event) => announce(invoice, event)) };
}

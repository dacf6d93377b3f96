import { encoded } from '../../src/contract/encoding.ts';
import { newId } from '../../src/contract/ids.ts';
import {
  BotFrame,
  type HeldTask,
  Hello,
  NackReason,
  Outcome,
  type Position,
  Progress,
  Result,
  type RevisionStatus,
  type SchemaRef,
} from '../../src/gen/fleet/v1/fleet.ts';
import { ShopProgress, ShopResult } from '../../src/gen/kinds/shop/v1/shop.ts';
import { kinds } from '../../src/gen/kinds.ts';

const { kind, revision, digest } = kinds.shop;
export const shopSchema = { kind, revision, digest };

export interface Assignment {
  readonly taskId: string;
  readonly fence: number;
  /** What it is done in; by default the revision that the program was built with. */
  readonly schema?: SchemaRef;
}

/** Where tasks are, and where they are not. */
export const near: Position = { x: 1, y: 1 };
export const far: Position = { x: 100_000, y: 100_000 };

/** What a progress says: `stop` goes to one queue of the mall (the kiosk's), `item` to four. */
export type Step = 'stop' | 'item';

const place = { storeId: newId(), stopIndex: 1 };
const goods = { lineId: newId(), productId: newId(), storeId: newId(), quantity: 1 };
const steps: Record<Step, ShopProgress> = {
  stop: { step: { $case: 'stopReached', value: place } },
  item: { step: { $case: 'itemPicked', value: goods } },
};

/** Of a span that is recorded, or of one that is not. */
export const traceparent = (sampled: boolean): string =>
  `00-${newId().replaceAll('-', '')}-${newId().replaceAll('-', '').slice(16)}-0${sampled ? 1 : 0}`;

const encode = (body: NonNullable<BotFrame['body']>, parent = '', seq = 0): Buffer =>
  Buffer.from(encoded(BotFrame, { seq, ack: 0, traceparent: parent, body }));

export const helloFrame = (hello: Partial<Hello>): Buffer =>
  encode({ $case: 'hello', value: Hello.fromPartial(hello) });

export const heartbeatFrame = (heldTasks: HeldTask[], position: Position = near): Buffer =>
  encode({ $case: 'heartbeat', value: { sentAt: new Date(), position, battery: 0.5, heldTasks } });

export const acceptFrame = ({ taskId, fence }: Assignment, seq: number): Buffer =>
  encode(
    { $case: 'offerReply', value: { taskId, fence, accepted: true, reason: '', refusal: NackReason.UNSPECIFIED } },
    '',
    seq,
  );

/** What a bot says of a revision that it is taught, without a number. */
export const statusFrame = (schema: SchemaRef, status: RevisionStatus): Buffer =>
  encode({ $case: 'protocolStatus', value: { schema, status, reason: '' } });

export const resultFrame = ({ schema = shopSchema, ...task }: Assignment, seq: number): Buffer => {
  const payload = Buffer.from(ShopResult.encode({ lines: [], walkedMetres: 1 }).finish());
  const outcome = Outcome.SUCCEEDED;
  const value = Result.fromPartial({ ...task, schema, payload, occurredAt: new Date(), outcome });
  return encode({ $case: 'result', value }, '', seq);
};

/** The frame's bytes without its number: `numbered` adds it, so that sending costs the load generator as little as an echo does. */
export const progressFrame = ({ schema = shopSchema, ...task }: Assignment, step: Step, sampled: boolean): Buffer => {
  const payload = Buffer.from(ShopProgress.encode(steps[step]).finish());
  const value = Progress.fromPartial({ ...task, schema, payload, occurredAt: new Date() });
  return encode({ $case: 'progress', value }, traceparent(sampled));
};

/** Varint fields of BotFrame. */
const seqField = 1;
const ackField = 2;

export const numbered = (frame: Buffer, seq: number): Buffer => Buffer.concat([varint(seqField, seq), frame]);

/** With the highest hub seq that has arrived, as every frame of the SDK says it: the hub keeps what it does not know to have arrived. */
export const confirming = (frame: Buffer, ack: number): Buffer =>
  ack === 0 ? frame : Buffer.concat([varint(ackField, ack), frame]);

function varint(field: number, value: number): Buffer {
  const bytes = [field << 3];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

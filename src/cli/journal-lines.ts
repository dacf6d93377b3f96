import wrapAnsi from 'wrap-ansi';
import { isId } from '../contract/ids.ts';
import type { JournalEvent } from '../gen/staff/v1/staff.ts';
import { coloured } from './output.ts';
import { shortId } from './staff-order-id.ts';

/** Where the fields of an event stand below its first line, characters. */
const indent = '    ';
/** Of a digest; `mallbots protocol show` takes as many. */
const digestChars = 'sha256:'.length + 8;
/** What needs no quotes to be told from its neighbours. */
const plain = /^[\p{L}\p{N}_.:/@+-]+$/u;
/** A terminal obeys these, and JSON leaves them as they are. */
const controls = /[\u007f-\u009f]/g;

export const escaped = (json: string): string =>
  json.replaceAll(controls, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** An event as one line of JSON: the attributes of CloudEvents and its extensions, what it says as `data`, and its place in the journal. */
export function journalJson(event: JournalEvent): string {
  const { id, name, source, time, key, correlationId, causationId, traceparent, taskId, fence, position } = event;
  return escaped(
    JSON.stringify({
      specversion: '1.0',
      id,
      type: name,
      source,
      time: time?.toISOString(),
      partitionkey: key,
      correlationid: correlationId,
      causationid: causationId,
      traceparent: traceparent || undefined,
      taskid: taskId || undefined,
      fence: taskId ? fence : undefined,
      position,
      datacontenttype: 'application/json',
      data: dataOf(event) ?? null,
    }),
  );
}

/** An event for people: when, where in the journal, what, about what; then what it says by field. Of `columns` where there are any, else in one line. */
export function journalText(event: JournalEvent, columns: number | undefined): string {
  const { time, position, name, correlationId } = event;
  const head = [
    coloured('dim', time?.toISOString() ?? ''),
    coloured('dim', String(position)),
    coloured('bold', name),
    shortId(correlationId),
  ].join('  ');
  const data = dataOf(event);
  const fields = data ? fieldsOf(data, '', correlationId).join('  ') : 'its body cannot be read';
  if (columns === undefined) return [head, fields].filter(Boolean).join('  ');
  const wrapped = wrapAnsi(fields, columns - indent.length, { hard: true });
  const below = fields === '' ? [] : wrapped.split('\n').map((line) => indent + line.trimEnd());
  return [wrapAnsi(head, columns, { hard: true }), ...below].join('\n');
}

const dataOf = ({ dataJson }: JournalEvent): Record<string, unknown> | undefined =>
  dataJson === '' ? undefined : (JSON.parse(dataJson) as Record<string, unknown>);

/** `path=value` for all that says something; what the event is about is said already. */
function fieldsOf(value: unknown, path: string, about: string): string[] {
  if (Array.isArray(value)) return value.flatMap((each, at) => fieldsOf(each, `${path}[${at}]`, about));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([name, field]) => fieldsOf(field, path ? `${path}.${name}` : name, about));
  }
  const saysNothing = value === null || value === '' || value === 0 || value === '0' || value === false;
  return saysNothing || value === about ? [] : [`${coloured('dim', `${path}=`)}${shown(value)}`];
}

function shown(value: unknown): string {
  if (typeof value !== 'string') return String(value);
  if (isId(value)) return shortId(value);
  if (/^sha256:[0-9a-f]{64}$/.test(value)) return value.slice(0, digestChars);
  return plain.test(value) ? value : escaped(JSON.stringify(value));
}

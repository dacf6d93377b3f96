import { ATTR_BOT_ID, ATTR_KIND, ATTR_REPORT, ATTR_REVISION, ATTR_SCHEMA_DIGEST } from '../telemetry/attributes.ts';
import { type RecordedSpan, taskOf } from '../telemetry/recorded-span.ts';
import { formatUs } from './trace-rows.ts';
import { beginning, type Story } from './trace-source.ts';

/** What a bot has reported of a task, as its trace has it. */
export interface ToldReport {
  readonly what: 'progress' | 'result';
  readonly atUs: number;
  readonly botId: string;
  readonly taskId: string;
  readonly kind: string;
  readonly revision: number;
  readonly digest: string;
  /** By the names of the revision; text where it was too long to be kept whole. */
  readonly report: unknown;
}

/** All that bots have reported of an order, in the order of time. */
export const reportsOf = ({ main, linked }: Story): ToldReport[] =>
  [main, ...linked]
    .flat()
    .flatMap(toldOn)
    .toSorted((a, b) => a.atUs - b.atUs);

function toldOn(span: RecordedSpan): ToldReport[] {
  const botId = String(span.attributes[ATTR_BOT_ID] ?? '');
  return span.events.flatMap(({ name, atUs, attributes }): ToldReport[] => {
    const text = attributes[ATTR_REPORT];
    if (text === undefined || (name !== 'progress' && name !== 'result')) return [];
    return [
      {
        ...{ what: name, atUs, botId, taskId: taskOf(span), kind: String(attributes[ATTR_KIND] ?? '') },
        revision: Number(attributes[ATTR_REVISION] ?? 0),
        digest: String(attributes[ATTR_SCHEMA_DIGEST] ?? ''),
        report: parsed(String(text)),
      },
    ];
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A line for each report, and below it one for each of its fields by its name. */
export function reportLines(story: Story): string[] {
  const reports = reportsOf(story);
  if (reports.length === 0) return ['no bot of this order has left its reports in a trace'];
  const fromUs = beginning(story.main);
  return reports.flatMap(({ what, atUs, botId, kind, revision, report }) => [
    `${formatUs(atUs - fromUs).padStart(7)}  ${botId}  ${kind} revision ${revision}  ${what}`,
    ...fieldsOf(report, '').map((field) => `         ${field}`),
  ]);
}

function fieldsOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [path === '' ? String(value) : `${path} ${value}`];
  const isList = Array.isArray(value);
  return Object.entries(value).flatMap(([name, inner]) =>
    fieldsOf(inner, isList ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`),
  );
}

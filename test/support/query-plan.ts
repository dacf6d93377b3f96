import { type SQL, sql } from 'drizzle-orm';
import type { Orm } from '../../src/database/port.ts';

export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Every node of the statement's plan, after it has run. */
export async function planOf(orm: Orm, statement: SQL): Promise<PlanNode[]> {
  const [row] = await orm.execute<{ 'QUERY PLAN': [{ Plan: PlanNode }] | string }>(
    sql`explain (analyze, format json) ${statement}`,
  );
  const plan = row!['QUERY PLAN'];
  const [{ Plan }] = (typeof plan === 'string' ? JSON.parse(plan) : plan) as [{ Plan: PlanNode }];
  return nodesOf(Plan);
}

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/** Rows that the node looked at. */
export const touchedBy = (node: PlanNode): number =>
  (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const root = join(import.meta.dirname, '../..');

export const readText = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The Compose file with its anchors and merges resolved, `${...}` left as written. */
export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly configs: Readonly<Record<string, { content: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export interface Service {
  readonly image: string;
  readonly build?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly configs?: ReadonlyArray<{ source: string; target: string }>;
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[]; readonly interval: string; readonly timeout: string };
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
  readonly restart?: string;
  readonly mem_limit?: string;
  readonly cpus?: number;
}

export const compose = parse(readText('docker-compose.yml'), { merge: true }) as Compose;

export const services = Object.entries(compose.services);

/** The services that run this program. */
export const programs = services.filter(([, { build }]) => build !== undefined);

/** `${NAME:-default}` replaced with its default, and `$$` with `$`: what Compose makes of it in an empty environment. */
export const interpolate = (text: string): string =>
  text.replaceAll(/\$\$|\$\{\w+:-([^}]*)\}/g, (match, fallback) => (match === '$$' ? '$' : fallback));

/** A collector configuration: the collector's own, and Jaeger 2's. */
export interface CollectorConfig {
  readonly extensions: Readonly<Record<string, unknown>>;
  readonly receivers: Readonly<Record<string, unknown>>;
  readonly processors: Readonly<Record<string, unknown>>;
  readonly exporters: Readonly<Record<string, unknown>>;
  /** Each is an exporter of one pipeline and a receiver of another. */
  readonly connectors?: Readonly<Record<string, unknown>>;
  readonly service: {
    readonly extensions: readonly string[];
    readonly pipelines: Readonly<Record<string, Pipeline>>;
  };
}

export interface Pipeline {
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

export const readCollectorConfig = (path: string): CollectorConfig => parse(readText(path)) as CollectorConfig;

import { type Module, packageOf, resolveRelative } from './modules.ts';

const ground = ['src/kit', 'src/contract', 'src/gen', 'src/telemetry', 'src/config.ts'];
const ports = ['src/broker', 'src/database', 'src/rpc'];
const roles = ['src/role', 'src/hub', 'src/services/*', 'src/gateways/*'];

/**
 * Where a file is (the longest that fits counts; `*` is one folder, `*.ts` the files right in it) to what it may import beside its own
 * folder. From the bottom up: nothing imports what stands below it in this table.
 */
const layers: Readonly<Record<string, readonly string[]>> = {
  'src/gen': [],
  'src/kit': [],
  'src/contract': ['src/gen'],
  'src/telemetry': ['src/kit', 'src/contract', 'src/gen'],
  'src/config.ts': ['src/telemetry'],
  'src/broker': ['src/kit', 'src/contract', 'src/telemetry'],
  // The outbox publishes and the inbox consumes: through the broker's port.
  'src/database': ['src/kit', 'src/contract', 'src/telemetry', 'src/broker'],
  'src/rpc': ['src/kit', 'src/contract', 'src/gen', 'src/telemetry'],
  // What every role is given, and what all that have messages share.
  'src/role': [...ground, ...ports],
  'src/services/*': [...ground, ...ports, 'src/role'],
  'src/hub': [...ground, ...ports, 'src/role'],
  // What all gateways have in common: the files beside their folders.
  'src/gateways/*.ts': [...ground, ...ports, 'src/role'],
  'src/gateways/*': [...ground, ...ports, 'src/role', 'src/gateways/*.ts'],
  // Reads everybody's tables and events, to check what they promise.
  'src/audit': [...ground, ...ports],
  // The wire and nothing else, so that the robots test it.
  'bots/sdk': ['src/gen'],
  'bots/simulator': ['bots/sdk', 'src/gen', 'src/kit'],
  // Where everything is put together.
  'src/runtime': [...ground, ...ports, ...roles],
  'src/demo': [...ground, ...ports, ...roles, 'src/runtime', 'src/audit'],
  'src/cli': ['src', 'bots'],
};

/** Where a package that stands for a decision may be used. */
const packageHomes: Readonly<Record<string, { where: RegExp; why: string }>> = {
  'rabbitmq-client': { where: /^src\/broker\//, why: 'everything else sees the port' },
  'drizzle-orm': {
    where: /^src\/database\/|\/(?:[a-z]+-)?store\.ts$/,
    why: 'tables and queries are in src/database, store.ts and <what>-store.ts files',
  },
  postgres: { where: /^src\/database\//, why: 'everything else sees the port' },
};

/** Files that choose between RabbitMQ and in process, PostgreSQL by URL and embedded: everything else sees the two ports. */
const adapters = /^src\/(?:broker\/(?:rabbitmq|embedded)|database\/(?:postgres|embedded))[\w-]*\.ts$/;
const choosesAdapters = /^src\/(?:runtime|cli|demo)\//;
const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/'));

/** Decisions: (state, input, now) to state and effects. Time, ids and randomness are data to them. */
export const pureFile =
  /^src\/(?:hub|services)\/(?:[\w-]+\/)*(?:decide|session|task|assign|admission|plan|place|route|pick|bring-back|invoice|announce|revision|rollout|window|fold)\.ts$/;
/** What a pure file may stand on without being asked for the same: generated types and the contract. */
const pureGround = /^src\/(?:gen|contract)\//;
const impure =
  /\bDate\.now\b|\bnew Date\s*\(\s*\)|(?<!new )\bDate\s*\(|\bMath\.random\b|\brandomUUID\b|\bperformance\.now\b|\bnewId\b|\bprocess\.|\bsetTimeout\b|\bfetch\s*\(/;

/** How trace context is written, and what else may come with it from outside: one module on each side of the wire knows. */
const readsTraceContext =
  /\[0-9a-f\]\{32\}\)?-|`00-\$|\btraceparent\??\.(?:split|slice|substring|match|at|charAt)\b|split_part\s*\(\s*[\w."]*traceparent|W3C(?:TraceContext|Baggage)Propagator|\bpropagation\s*\.\s*(?:extract|inject)\b/;
const namesTraceHeader =
  /\.(?:get|set|header)\s*\(\s*['"]traceparent['"]|\[\s*['"]traceparent['"]\s*\]|['"](?:baggage|tracestate)['"]/;
const knowsTraceContext = new Set(['src/telemetry/propagation.ts', 'bots/sdk/spans.ts']);

const readsEnvironment = /\bprocess\s*\.\s*env\b|\bprocess\s*\[|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/;
const mayReadEnvironment = new Set(['src/config.ts', 'src/cli/mallbots.js']);

/** One line per breach: `file: what is wrong`. */
export function breaches(modules: readonly Module[]): string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  return modules.flatMap((module) =>
    [
      ...module.imports.flatMap(({ specifier }) => [...importBreaches(module, specifier, byPath)]),
      ...environmentBreaches(module),
      ...traceBreaches(module),
      ...purityBreaches(module, byPath),
    ].map((what) => `${module.path}: ${what}`),
  );
}

function* importBreaches(from: Module, specifier: string | undefined, byPath: ReadonlyMap<string, Module>) {
  if (specifier === undefined) {
    yield 'imports something whose name is computed, which nothing can check';
    return;
  }
  const packageName = packageOf(specifier);
  if (packageName !== undefined) {
    const home = packageHomes[packageName];
    if (home && !home.where.test(from.path)) yield `imports ${packageName}: ${home.why}`;
    return;
  }
  if (!specifier.startsWith('.')) return;
  const target = resolveRelative(from, specifier);
  if (!byPath.has(target)) {
    yield `imports ${target}, which is no module of src or bots`;
    return;
  }
  if (!allowed(from.path, target)) yield `must not import ${target}`;
  if (adapters.test(target) && folderOf(target) !== folderOf(from.path) && !choosesAdapters.test(from.path))
    yield `imports the adapter ${target} past its port`;
}

const inLayer = (layer: string, path: string): boolean =>
  new RegExp(`^${layer.replace('.', '\\.').replace('*', '[^/]+')}${layer.endsWith('.ts') ? '$' : '/'}`).test(path);

/** The entry of the layer table that a path belongs to. */
export function layerOf(path: string): string | undefined {
  return Object.keys(layers)
    .filter((layer) => inLayer(layer, path))
    .sort((a, b) => b.split('/').length - a.split('/').length)[0];
}

function allowed(from: string, to: string): boolean {
  const layer = layerOf(from);
  if (layer === undefined) return false;
  // What `*` stood for in the folder: one service is not another.
  const own = layer.endsWith('*') ? from.split('/').slice(0, layer.split('/').length).join('/') : layer;
  return [own, ...layers[layer]!].some((folder) => inLayer(folder, to));
}

function* traceBreaches({ path, source }: Module) {
  if (knowsTraceContext.has(path)) return;
  const found = readsTraceContext.exec(source)?.[0] ?? namesTraceHeader.exec(source)?.[0];
  if (found) yield `reads or writes trace context (${found}), which src/telemetry/propagation.ts does for everybody`;
}

function* environmentBreaches({ path, code }: Module) {
  if (readsEnvironment.test(code) && !mayReadEnvironment.has(path)) {
    yield 'reads the environment, which src/config.ts does for everybody';
  }
}

function* purityBreaches(module: Module, byPath: ReadonlyMap<string, Module>) {
  if (!pureFile.test(module.path)) return;
  // Whatever it imports at run time, and what that imports: a pure file is no purer than those.
  const seen = new Set<string>();
  const toSee = [module];
  for (let next = toSee.pop(); next; next = toSee.pop()) {
    if (seen.has(next.path)) continue;
    seen.add(next.path);
    const through = next === module ? '' : ` through ${next.path}`;
    const found = impure.exec(next.code)?.[0];
    if (found) yield `is to be pure and uses ${found.trim()}${through}`;
    for (const { specifier, typeOnly } of next.imports) {
      if (typeOnly || specifier === undefined) continue;
      if (!specifier.startsWith('.')) {
        yield `is to be pure and imports ${specifier}${through}`;
        continue;
      }
      const target = byPath.get(resolveRelative(next, specifier));
      if (target && !pureGround.test(target.path)) toSee.push(target);
    }
  }
}

/** Every ring of modules that import each other at run time, once: `a -> b -> a`. */
export function cycles(modules: readonly Module[]): string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (module: Module, trail: readonly string[]) => {
    const start = trail.indexOf(module.path);
    if (start >= 0) {
      found.push([...trail.slice(start), module.path].join(' -> '));
      return;
    }
    if (done.has(module.path)) return;
    for (const { specifier, typeOnly } of module.imports) {
      const target =
        !typeOnly && specifier?.startsWith('.') ? byPath.get(resolveRelative(module, specifier)) : undefined;
      if (target) visit(target, [...trail, module.path]);
    }
    done.add(module.path);
  };
  for (const module of modules) visit(module, []);
  return found;
}

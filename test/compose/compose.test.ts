import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { endpointNames, endpoints, listeningRoles, ports, readConfig, roleAt } from '../../src/config.ts';
import { compose, interpolate, programs, root, services } from './files.ts';

/** What a service cannot have, and why. */
const withoutHealthCheck: Readonly<Record<string, string>> = {
  collector: 'its image holds no program that could ask',
  migrate: 'ends by itself, and others wait for that',
  open: 'ends by itself',
  bots: 'listens on nothing',
};
/** Who may write to its own root file system. */
const writable: Readonly<Record<string, string>> = {
  postgres: 'its entry point makes directories as root before it becomes postgres',
  rabbitmq: 'Compose copies the inline list of plugins into the container',
};
/** What a person or a robot outside opens. */
const published = [
  ...['16686:16686', '8889:8889', '9090:9090', '3000:3000', '15672:15672'],
  ...['7001:7001', '7006:7006', '7007:7007', '7080:7080'],
];

const environmentOf = (name: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(compose.services[name]!.environment!).map(([key, value]) => [key, interpolate(value)]),
  );

describe('docker-compose.yml', () => {
  it('has every role, the backends, the telemetry and a fleet', () => {
    const names = services.map(([name]) => name);
    const telemetry = ['collector', 'jaeger', 'prometheus', 'grafana'];
    expect(names).toEqual(
      expect.arrayContaining([...listeningRoles, ...telemetry, 'postgres', 'rabbitmq', 'migrate', 'bots']),
    );
  });

  it.each(services)('%s has an image of one exact version', (_, { image }) => {
    expect(image).toMatch(/:v?\d+\.\d+(\.\d+)?(-[\w.]+)?$/);
  });

  it.each(services)(
    '%s waits for services that are there, and for a health that is checked',
    (_, { depends_on = {} }) => {
      for (const [target, { condition }] of Object.entries(depends_on)) {
        expect(Object.keys(compose.services)).toContain(target);
        if (condition === 'service_healthy') expect(compose.services[target]!.healthcheck, target).toBeDefined();
        else expect([target, condition]).toEqual(['migrate', 'service_completed_successfully']);
      }
    },
  );

  it('lets every service start: none waits for itself, however far round', () => {
    const waits = (name: string, trail: readonly string[]): void => {
      expect(trail).not.toContain(name);
      for (const next of Object.keys(compose.services[name]!.depends_on ?? {})) waits(next, [...trail, name]);
    };
    for (const [name] of services) waits(name, []);
  });

  it.each(services)('%s is asked whether it is well, or cannot be', (name, { healthcheck }) => {
    if (Object.hasOwn(withoutHealthCheck, name)) expect(healthcheck).toBeUndefined();
    else expect(Number.parseInt(healthcheck!.interval, 10)).toBeGreaterThan(Number.parseInt(healthcheck!.timeout, 10));
  });

  it.each(listeningRoles)('%s is asked about itself', (role) => {
    expect(compose.services[role]!.healthcheck!.test).toEqual(['CMD', 'node', 'src/cli/mallbots.js', 'health', role]);
  });

  it('publishes what somebody outside opens, on the loopback address alone', () => {
    const all = services.flatMap(([, { ports: list = [] }]) => list);
    expect(all.toSorted()).toEqual(published.map((pair) => `127.0.0.1:${pair}`).toSorted());
  });

  it.each(listeningRoles)('%s is published at its own port, if at all', (role) => {
    for (const pair of compose.services[role]!.ports ?? []) {
      expect(pair).toBe(`127.0.0.1:${ports[role]}:${ports[role]}`);
    }
  });

  it.each(services)('%s is bounded and can do little harm', (name, service) => {
    expect(service.mem_limit).toMatch(/^\d+[mg]$/);
    expect(service.cpus).toBeGreaterThan(0);
    expect(service.security_opt).toContain('no-new-privileges:true');
    expect(service.restart).toMatch(/^(unless-stopped|on-failure:\d+)$/);
    if (Object.hasOwn(writable, name)) return;
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
  });

  it.each(services)('%s mounts files and volumes that are there', (_, { volumes = [], configs = [] }) => {
    for (const volume of volumes) {
      const source = volume.split(':')[0]!;
      if (source.startsWith('.')) expect(existsSync(join(root, source)), source).toBe(true);
      else expect(Object.keys(compose.volumes)).toContain(source);
    }
    for (const { source } of configs) expect(Object.keys(compose.configs)).toContain(source);
  });

  it('enables the plugins of RabbitMQ in a list that Erlang can read', () => {
    expect(compose.configs['rabbitmq-plugins']!.content.trim()).toMatch(/^\[rabbitmq_\w+(,rabbitmq_\w+)*\]\.$/);
  });

  it('has a password for nothing but a machine of one’s own: each can be set', () => {
    for (const [name, { environment = {} }] of services) {
      for (const [key, value] of Object.entries(environment)) {
        if (/PASS|_URL$/.test(key))
          expect(value, `${name} ${key}`).toMatch(/\$\{MALLBOTS_(DATABASE|BROKER|GRAFANA)_PASSWORD:-\w+\}/);
      }
    }
  });
});

describe('the environment of the program', () => {
  it.each(programs.map(([name]) => name))('%s has one that the config takes, to the last variable', (name) => {
    const environment = environmentOf(name);
    const read = new Set<string>();
    const watched = new Proxy(environment, {
      get: (target, key: string) => {
        read.add(key);
        return target[key];
      },
    });
    readConfig(watched);
    expect(Object.keys(environment).filter((key) => !read.has(key))).toEqual([]);
  });

  it.each(endpointNames)('%s is found where it listens', (endpoint) => {
    const [role, port] = [roleAt(endpoint), endpoints[endpoint]];
    expect(readConfig(environmentOf(role)).listen[endpoint]).toBe(`0.0.0.0:${port}`);
    for (const [name] of programs) expect(readConfig(environmentOf(name)).address[endpoint]).toBe(`${role}:${port}`);
  });

  it('names the services of this file as its backends', () => {
    for (const [name] of programs) {
      const { databaseUrl, amqpUrl, otlpEndpoint } = readConfig(environmentOf(name));
      expect([databaseUrl, amqpUrl, otlpEndpoint].map((url) => new URL(url).host)).toEqual([
        'postgres:5432',
        'rabbitmq:5672',
        'collector:4318',
      ]);
    }
  });

  it('logs in with what the servers were told', () => {
    const { databaseUrl, amqpUrl } = readConfig(environmentOf('orders'));
    const database = new URL(databaseUrl);
    const broker = new URL(amqpUrl);
    expect(environmentOf('postgres')).toEqual({
      POSTGRES_USER: database.username,
      POSTGRES_PASSWORD: database.password,
      POSTGRES_DB: database.pathname.slice(1),
    });
    expect(environmentOf('rabbitmq')).toEqual({
      RABBITMQ_DEFAULT_USER: broker.username,
      RABBITMQ_DEFAULT_PASS: broker.password,
    });
  });
});

// Not skipped but left out where the client has no Compose: in CI a skipped test is a failure. It needs no engine.
if (spawnSync('docker', ['compose', 'version']).status === 0) {
  describe('docker compose config', () => {
    it('takes the file', () => {
      const { status, stderr } = spawnSync('docker', ['compose', 'config', '--quiet'], { cwd: root, encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(status).toBe(0);
    });
  });
}

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { canonicalDescriptorSet } from '../../src/contract/descriptor-set.ts';
import { notFound } from '../../src/contract/errors.ts';
import {
  type CheckRequest,
  CheckResponse,
  type GetRequest,
  ListResponse,
  RegistryService,
  RevisionDetail,
  Violation,
} from '../../src/gen/protocol/v1/protocol.ts';
import { checkRevision } from '../../src/hub/protocol/check/check.ts';
import { compileDirectory } from '../../src/hub/protocol/check/compile.ts';
import { implement, type RpcServer, startServer } from '../../src/rpc/server.ts';
import { entryPoint, Program } from '../support/program.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

const root = join(import.meta.dirname, '../..');
const shop = readFileSync(join(root, 'proto/kinds/shop/v1/shop.proto'), 'utf8');

/** `shop` with what an engineer might make of it. */
const wider = shop.replace('uint32 picked = 2;', 'uint64 picked = 2;');
const larger = shop
  .replace('string order_id = 1;', 'string order_id = 1;\n  // To be kept cold.\n  bool chilled = 9;')
  .replace('ItemShort item_short = 3;', 'ItemShort item_short = 3;\n    ItemPicked item_weighed = 4;');
const broken = shop.replace('message ShopTask {', 'message ShopTask [');

/** Of the revision that the hub below has. */
const digest = `sha256:${'abcdef012345'.padEnd(64, '0')}`;

let directory: string;
const at = (name: string) => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'mallbots-protocol-test-'));
  for (const [name, text] of Object.entries({ shop, wider, larger, broken })) {
    mkdirSync(at(name));
    writeFileSync(join(at(name), 'shop.proto'), text);
  }
  mkdirSync(at('empty'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const protocol = (...args: string[]) => new Program(['protocol', ...args]).ended;
const check = (name: string, ...args: string[]) => protocol('check', at(name), '--kind', 'shop', ...args);
const lineOf = (text: string, words: string) => text.split('\n').findIndex((line) => line.includes(words)) + 1;

describe('mallbots protocol check', () => {
  it('exits with 0 where a revision may join, without a server', async () => {
    expect(await check('larger')).toMatchObject({
      code: 0,
      stdout: 'compatible: it may be a revision of shop beside revision 1 of this program',
      stderr: '',
    });
  });

  it('exits with 1 where it may not, and says where, what, which side, why, and what to do', async () => {
    const { code, stdout } = await check('wider');
    expect(code).toBe(1);
    expect(stdout.split('\n')).toEqual([
      `${at('wider')}/shop.proto:${lineOf(wider, 'uint64 picked')}:3 FIELD_TYPE_WIDENED kinds.shop.v1.LineOutcome.picked`,
      '  picked is uint64; it was uint32',
      '  breaks   what is written by the new revision is misread by the older one: an older reader cuts what does not fit, without an error',
      '  against  revision 1 of this program',
      '  as does  buf:FIELD_WIRE_JSON_COMPATIBLE_TYPE',
      '  instead  leave this field as it is, mark it [deprecated = true], and add a new one under a free number',
      '',
      'incompatible: 1 thing keeps it from being a revision of shop beside revision 1 of this program',
    ]);
    expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain(
      // The files of the README have a field more by then.
      stdout
        .replace(`${at('wider')}/`, 'next/')
        .replace('.proto:71:', '.proto:72:')
        .split('\n\n')[0],
    );
  });

  it('holds it against every directory that it is given, and names those that speak against it', async () => {
    const { code, stdout } = await check(
      'shop',
      '--against-dir',
      at('shop'),
      '--against-dir',
      at('larger'),
      '--format',
      'json',
    );
    const { compatible, against, violations } = JSON.parse(stdout);
    expect(code).toBe(1);
    expect({ compatible, against }).toEqual({ compatible: false, against: [at('shop'), at('larger')] });
    expect(violations.map(({ rule, field }: { rule: string; field: string }) => `${rule} ${field}`)).toEqual([
      'FIELD_NUMBER_NOT_RESERVED chilled',
      'FIELD_NAME_NOT_RESERVED chilled',
      'FIELD_NUMBER_NOT_RESERVED item_weighed',
      'FIELD_NAME_NOT_RESERVED item_weighed',
    ]);
    for (const violation of violations) expect(violation.against).toEqual([at('larger')]);
  });

  it('speaks to a workflow on GitHub', async () => {
    const { code, stdout } = await check('wider', '--format', 'github');
    expect(code).toBe(1);
    const place = `file=${at('wider')}/shop.proto,line=${lineOf(wider, 'uint64 picked')},col=3`;
    expect(stdout).toMatch(
      new RegExp(`^::error ${place},title=FIELD_TYPE_WIDENED::kinds\\.shop\\.v1\\.LineOutcome\\.picked .+$`),
    );
  });

  describe('of what it cannot read', () => {
    beforeAll(() => {
      mkdirSync(at('torn, 100%'));
      const text = 'syntax = "proto3";\npackage kinds.shop.v1;\nmessage A { B b = 1; }\nmessage C { D d = 1; }\n';
      writeFileSync(join(at('torn, 100%'), 'shop.proto'), text);
    });

    it('tells a workflow each place', async () => {
      const { code, stdout, stderr } = await check('torn, 100%', '--format', 'github');
      const file = `${at('torn%2C 100%25')}/shop.proto`;
      expect(stdout.split('\n')).toEqual([
        `::error file=${file},line=3,col=13,title=PROTO_INVALID::cannot find \`B\` in this scope`,
        `::error file=${file},line=4,col=13,title=PROTO_INVALID::cannot find \`D\` in this scope`,
      ]);
      expect(stderr).toContain('error: the files do not compile:\n');
      expect(code).toBe(2);
    });

    it('tells programs each place, as of a violation', async () => {
      const { code, stdout } = await check('torn, 100%', '--format', 'json');
      const place = { rule: 'PROTO_INVALID', file: `${at('torn, 100%')}/shop.proto`, column: 13 };
      expect(JSON.parse(stdout)).toMatchObject({
        ...{ compatible: false, kind: 'shop', against: [], omitted: 0 },
        violations: [
          { ...place, line: 3, what: 'cannot find `B` in this scope', against: [] },
          { ...place, line: 4, what: 'cannot find `D` in this scope', against: [] },
        ],
      });
      expect(code).toBe(2);
    });

    it.each([
      ['nosuch', 'DIRECTORY_MISSING'],
      ['empty', 'DIRECTORY_EMPTY'],
    ])('tells either of a directory with nothing in it: %s', async (name, rule) => {
      const { code, stdout } = await check(name, '--format', 'json');
      expect(JSON.parse(stdout)).toMatchObject({ compatible: false, violations: [{ rule, file: at(name) }] });
      expect(code).toBe(2);
      const start = `::error file=${at(name)},title=${rule}::directory is `;
      expect((await check(name, '--format', 'github')).stdout.slice(0, start.length)).toBe(start);
    });

    it('tells people on standard error alone', async () => {
      expect(await check('torn, 100%')).toMatchObject({ code: 2, stdout: '' });
    });
  });

  it('takes the first revision of a kind that nobody has', async () => {
    mkdirSync(at('inspect'));
    const messages = ['Task', 'Progress', 'Result'].map((part) => `message Inspect${part} {\n  string note = 1;\n}\n`);
    writeFileSync(
      join(at('inspect'), 'a.proto'),
      `syntax = "proto3";\npackage kinds.inspect.v1;\n${messages.join('')}`,
    );
    const { code, stdout } = await protocol('check', at('inspect'), '--kind', 'inspect');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: 'compatible: it may be a revision of inspect, and there is no other to hold it against',
    });
  });

  it.each<readonly [string, () => Promise<{ code: number | null; stderr: string }>, RegExp]>([
    ['files that do not compile', () => check('broken'), /shop\.proto:7:18: .*/],
    ['a directory that is not there', () => check('nosuch'), /directory is ".*nosuch"; give the directory/],
    ['a directory without a .proto file', () => check('empty'), /it has no \.proto file/],
    ['no kind', () => protocol('check', at('shop')), /required option '--kind/],
    ['what cannot be a kind', () => protocol('check', at('shop'), '--kind', 'Shop!'), /give a name such as shop/],
    [
      'another name of a kind',
      () => protocol('check', at('shop'), '--kind', 'shop.v1'),
      /give "shop": majors begin at v2/,
    ],
    [
      'a name that no hello takes',
      () => protocol('check', at('shop'), '--kind', 'a'.repeat(65)),
      /give a name such as/,
    ],
    ['another format', () => check('shop', '--format', 'xml'), /Allowed choices are text, json, github/],
  ])('exits with 2 on %s', async (_, run, message) => {
    const { code, stderr } = await run();
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/ at .*\.ts/);
    expect(code).toBe(2);
  });

  it('refuses what a hub could not be sent in one call, as publishing does', async () => {
    mkdirSync(at('talkative'));
    // Ends no declaration: it is not in the descriptors, and in the source all the same.
    writeFileSync(join(at('talkative'), 'shop.proto'), `${shop}\n${'// A word about the shop.\n'.repeat(12_000)}`);
    const { code, stdout, stderr } = await check('talkative', '--format', 'json');
    expect(stderr).toMatch(
      /^error: directory is ".*talkative"; publishing its files .* takes \d{6} bytes, and may take 258048: shorten the comments, or make it two kinds$/,
    );
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ compatible: false, violations: [{ rule: 'TOO_LARGE' }] });
    const nobody = '127.0.0.1:1';
    expect(await check('talkative', '--hub', nobody)).toMatchObject({ code, stderr });
    expect(await protocol('publish', at('talkative'), '--kind', 'shop', '--hub', nobody)).toMatchObject({
      code,
      stderr,
    });
  });

  it('exits with 4 where there is no buf, and says how to get it', async () => {
    const copy = at('without-buf');
    mkdirSync(join(copy, 'node_modules/@bufbuild'), { recursive: true });
    onTestFinished(() => rmSync(copy, { recursive: true }));
    for (const part of ['package.json', 'src']) cpSync(join(root, part), join(copy, part), { recursive: true });
    const packages = readdirSync(join(root, 'node_modules')).filter(
      (name) => name !== '@bufbuild' && !name.startsWith('.'),
    );
    for (const name of [...packages, '@bufbuild/protobuf'])
      symlinkSync(join(root, 'node_modules', name), join(copy, 'node_modules', name));

    const { code, stderr } = await new Program(
      ['protocol', 'check', at('shop'), '--kind', 'shop'],
      { PATH: '/nonexistent' },
      join(copy, 'src/cli/mallbots.js'),
    ).ended;

    expect(stderr).toBe(
      'error: the check needs the program buf, which is not there; run "npm ci" without --omit=optional, or install buf (https://buf.build) and put it on the PATH',
    );
    expect(code).toBe(4);
  });
});

describe('mallbots protocol diff', () => {
  it('says in words what is different, and whether that may stand', async () => {
    const { code, stdout } = await protocol('diff', at('shop'), at('larger'), '--json');
    expect(code).toBe(0);
    const { differences } = JSON.parse(stdout);
    expect(differences).toMatchObject([
      {
        message: 'kinds.shop.v1.ShopTask',
        line: lineOf(larger, 'chilled'),
        what: 'field chilled = 9, bool, is new',
        compatible: true,
        rule: null,
      },
      {
        line: lineOf(larger, 'item_weighed'),
        what: 'field item_weighed = 4, kinds.shop.v1.ItemPicked in oneof step, is new',
        compatible: true,
      },
    ]);
    expect((await protocol('diff', at('larger'), at('larger'))).stdout).toBe('they say the same');
  });

  it('tells how a revision may be named, and takes a directory for one whatever it is called', async () => {
    const { code, stderr } = await protocol('diff', at('nosuch'), at('shop'));
    expect(stderr).toMatch(
      /^error: revision is ".*nosuch"; give a directory of \.proto files, or .*: digest, the beginning of it .*, or kind@revision such as shop@2$/,
    );
    expect(code).toBe(2);
    cpSync(at('larger'), at('abcdef'), { recursive: true });
    const inside = promisify(execFile)(process.execPath, [entryPoint, 'protocol', 'diff', 'abcdef', 'larger'], {
      cwd: directory,
    });
    expect((await inside).stdout).toBe('they say the same\n');
  });

  it('marks what may not', async () => {
    const { stdout } = await protocol('diff', at('shop'), at('wider'));
    expect(stdout).toMatch(
      /^incompatible {2}kinds\.shop\.v1\.LineOutcome: picked is uint64; it was uint32 \(FIELD_TYPE_WIDENED\) {2}.*shop\.proto:\d+:3$/,
    );
  });
});

describe('with --hub', () => {
  const telemetry = recordingTelemetry('hub');
  let server: RpcServer;

  /** A registry with `larger` as revision 2 of shop, over real gRPC; what is behind it in a hub is the hub's tests' business. */
  beforeAll(async () => {
    const revision = await compileDirectory(at('larger'));
    const answers = {
      check: async ({ kind, fileDescriptorSet }: CheckRequest) => {
        const older = [{ ...revision, label: 'revision 2' }];
        const { violations, against } = await checkRevision({ label: 'candidate', fileDescriptorSet }, older, kind);
        const views = violations.map((violation) =>
          Violation.fromPartial({ ...violation, against: [...violation.against] } as object),
        );
        // As if there were more than a hub tells.
        const omitted = views.length > 0 ? 12 : 0;
        return CheckResponse.fromPartial({ violations: views, against: [...against], omitted });
      },
      list: async () => ListResponse.fromPartial({ kinds: [{ kind: 'shop', revisions: [{ revision: 2, digest }] }] }),
      get: async (request: GetRequest) => {
        if (request.digest !== digest) throw notFound('revision', 'digest', request.digest);
        return RevisionDetail.fromPartial({
          fileDescriptorSet: Buffer.from(canonicalDescriptorSet(revision.fileDescriptorSet)),
        });
      },
    };
    server = await startServer('127.0.0.1:0', [
      { definition: RegistryService, implementation: implement(RegistryService, answers as never, telemetry) },
    ]);
  });
  afterAll(() => server.drain());

  it('check holds it against what is not retired there, and says the same', async () => {
    const { code, stdout } = await check('shop', '--hub', server.address, '--format', 'json');
    const { against, violations, omitted } = JSON.parse(stdout);
    expect(code).toBe(1);
    expect({ against, omitted }).toEqual({ against: ['revision 2'], omitted: 12 });
    expect(violations[0]).toMatchObject({
      rule: 'FIELD_NUMBER_NOT_RESERVED',
      file: `${at('shop')}/shop.proto`,
      line: lineOf(shop, 'message ShopTask {'),
      field: 'chilled',
      against: ['revision 2'],
    });
    const told = await check('shop', '--hub', server.address);
    expect(told.stdout).toContain(`${violations.length + 12} things keep it from being a revision of shop`);
    expect(told.stdout).toContain(`, of which the first ${violations.length} are above`);
    expect((await check('shop', '--hub', server.address, '--format', 'github')).stdout).toContain('::error::12 more');
    expect(await check('larger', '--hub', server.address)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('beside revision 2'),
    });
  });

  it('diff compares with a revision of the hub, by its number or the beginning of its digest', async () => {
    const { stdout } = await protocol('diff', at('shop'), 'shop@2', '--hub', server.address);
    expect(stdout.split('\n')).toHaveLength(2);
    expect(stdout).toMatch(
      /^compatible {4}kinds\.shop\.v1\.ShopTask: field chilled = 9, bool, is new {2}(kinds\/shop\/v1\/)?shop\.proto$/m,
    );
    for (const name of ['abcdef012345', 'sha256:abcdef', digest]) {
      expect(await protocol('diff', at('shop'), name, '--hub', server.address)).toMatchObject({ code: 0, stdout });
    }
    for (const name of ['shop@7', 'abcdef99']) {
      expect(await protocol('diff', name, at('shop'), '--hub', server.address)).toMatchObject({ code: 3 });
    }
  });

  it('does not call a hub that takes less than it is sent out of reach', async () => {
    const options = { 'grpc.max_receive_message_length': 1_024 };
    const implementation = implement(RegistryService, {} as never, telemetry);
    const small = await startServer('127.0.0.1:0', [{ definition: RegistryService, implementation }], { options });
    onTestFinished(() => small.drain());
    const { code, stderr } = await check('shop', '--hub', small.address);
    expect(stderr).toMatch(
      /^error: a message between here and 127\.0\.0\.1:\d+ has \d+ bytes, and may have 1024; send or ask for less at once$/,
    );
    expect(code).toBe(2);
  });

  it('exits with 5 where no hub is', async () => {
    const { code, stderr } = await check('shop', '--hub', '127.0.0.1:1');
    expect(stderr).toMatch(/^error: the hub role cannot be reached at 127\.0\.0\.1:1 .*give --hub host:port/);
    expect(code).toBe(5);
  });
});

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bounds } from '../../src/hub/protocol/check/bounds.ts';
import { compileDirectory } from '../../src/hub/protocol/check/compile.ts';
import { type Fleet, startFleet } from '../hub/fleet.ts';
import { shopRevision } from '../hub/protocol/shop-revision.ts';
import { Program } from '../support/program.ts';
import { shopTranslation, shopV2 } from '../support/shop-v2.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

let fleet: Fleet;
let directory: string;
beforeAll(async () => {
  fleet = await startFleet({ leaseMs: 60_000 });
  directory = mkdtempSync(join(tmpdir(), 'mallbots-publish-'));
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await fleet[Symbol.asyncDispose]();
});

const mallbots = (...args: string[]) => new Program(['protocol', ...args, '--hub', fleet.hub.address]).ended;
const publish = (source: string, ...args: string[]) => {
  writeFileSync(join(directory, 'shop.proto'), source);
  return mallbots('publish', directory, '--kind', 'shop', '--by', 'ann', ...args);
};

/** Each starts several programs, and one that checks starts buf too. ms */
const timeout = 180_000;

describe('mallbots protocol', { timeout }, () => {
  it('publishes a directory, once', async () => {
    const first = await publish(shopRevision(2), '--reason', 'notes');
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^shop revision 2 is published, CHECKED\nsha256:/),
    });
    expect((await publish(shopRevision(2))).stdout).toContain('shop revision 2 is there already, CHECKED');
  });

  it('refuses what breaks, with file, line, reason and remedy, and status 4', async () => {
    const { code, stdout } = await publish(shopRevision(2).replace('string order_id = 1', 'uint32 order_id = 1'));
    expect(code).toBe(4);
    expect(stdout).toMatch(/shop\.proto:\d+:3 FIELD_TYPE_CHANGED kinds\.shop\.v1\.ShopTask\.order_id\n/);
    expect(stdout).toMatch(/ {2}against {2}revision 1, revision 2\n(?:.*\n)?.* {2}instead {2}/);
    expect(stdout).toContain('nothing was published');
  });

  it('tells programs the file as it is reached from here, as check does', async () => {
    const { code, stdout } = await publish(
      shopRevision(2).replace('string order_id = 1', 'uint32 order_id = 1'),
      '--json',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ revision: null, known: false, omitted: 0 },
      violations: [{ rule: 'FIELD_TYPE_CHANGED', file: join(directory, 'shop.proto'), line: expect.any(Number) }],
    });
    expect(code).toBe(4);
  });

  it('tells who publishes second what the first has added, which number is free, and how to see the rest', async () => {
    const theirs = shopRevision(3);
    expect((await publish(theirs)).code).toBe(0);
    const mine = shopRevision(3).replace('string note_2 = 101;', 'bool fragile = 101;');
    const collided = await publish(mine);
    expect(collided.code).toBe(4);
    expect(collided.stdout).toContain(
      'give field 101 the name note_2 back; what fragile says takes another number, such as 102',
    );
    expect(collided.stdout).toContain(`all that is different: mallbots protocol diff shop@3 ${directory}`);
    const unaware = await publish(mine.replace('= 101', '= 102'));
    expect(unaware.stdout).toContain(
      'if somebody else has added it, take it over, string note_2 = 101; if it is to go, write',
    );
    const merged = mine.replace('bool fragile = 101;', 'bool fragile = 102;\n  string note_2 = 101;');
    expect((await publish(merged)).stdout).toContain('shop revision 4 is published, CHECKED');
  });

  it('refuses what was made for an older version of the kind, with what has come since, and status 4', async () => {
    expect(await publish(shopRevision(5), '--based-on', '1')).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(
        /based_on is 1, and shop is at version \d+, since revision 2 became CHECKED by "ann", .*revision 4 became CHECKED by "ann"; /,
      ),
    });
  });

  it('says what cannot be compiled, with status 2', async () => {
    expect(await publish('syntax = "proto3"; message {')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('shop.proto:1'),
    });
  });

  it('does not activate what nobody could do, and names the revision by kind and number', async () => {
    const { code, stderr } = await mallbots('activate', 'shop@2');
    expect(code).toBe(4);
    expect(stderr).toContain('0 connected bots serve the kind');
  });

  it('leads a revision through its life, in the words of its tables', async () => {
    expect((await mallbots('canary', 'shop@2', '--percent', '10', '--hold')).stdout).toMatch(
      /^shop revision 2 \([0-9a-f]{12}\) is CANARY at 10 %$/,
    );
    const status = await mallbots('status', 'shop');
    expect(status.stdout).toContain('rollout of revision 2 at 10 %, held there');
    expect(status.stdout).toContain('task_failures');
    expect(status.stdout).toContain('\nrevision 1 cannot be retired: it is ACTIVE; deprecate it first\n');
    expect(status.stdout).toContain('\nrevision 2 cannot be retired: it is in CANARY; roll it back first\n');
    const stale = await mallbots('rollback', 'shop@2', '--based-on', '1');
    expect(stale).toMatchObject({ code: 4, stderr: expect.stringContaining('based_on is 1, and shop is at version') });
    expect((await mallbots('rollback', 'shop@2', '--reason', 'second thoughts')).stdout).toContain('is ROLLED_BACK');
    const shown = await mallbots('show', 'shop', '--revision', '2');
    expect(shown.stdout).toContain('second thoughts');
    expect(shown.stdout).toContain('message ShopTask {');
    expect((await mallbots('list')).stdout).toMatch(/shop +│ +2 +│ +ROLLED_BACK/);
  });

  it('tells programs the same as JSON, and who names nothing that there is, so', async () => {
    const { stdout } = await mallbots('list', '--kind', 'shop', '--json');
    expect(JSON.parse(stdout).kinds[0].revisions.map(({ state }: { state: string }) => state)).toEqual([
      'ACTIVE',
      'ROLLED_BACK',
      'CHECKED',
      'CHECKED',
    ]);
    expect(JSON.parse((await mallbots('show', 'shop', '--json')).stdout)).toMatchObject({
      revision: 1,
      state: 'ACTIVE',
    });
    expect(JSON.parse((await mallbots('status', 'shop', '--json')).stdout).kinds[0]).toMatchObject({
      revisions: [{ revision: { state: 'ACTIVE' } }, { revision: { state: 'ROLLED_BACK' } }, {}, {}],
      rollout: {
        outcome: 'ROLLED_BACK',
        gates: expect.arrayContaining([expect.objectContaining({ verdict: 'WAITING' })]),
      },
    });
    expect(
      JSON.parse((await mallbots('show', 'shop', '--revision', '2', '--json')).stdout).history.at(-1),
    ).toMatchObject({
      ...{ from: 'CANARY', to: 'ROLLED_BACK' },
    });
    expect(await mallbots('retire', 'shop@9')).toMatchObject({ code: 3, stderr: expect.stringContaining('shop@9') });
    expect((await mallbots('status', 'nosuch')).code).toBe(3);
  });

  it('watches, also when the hub was away, until it is stopped', async () => {
    const wire = await TcpProxy.to('127.0.0.1', Number(fleet.hub.address.split(':')[1]));
    const watch = (...args: string[]) =>
      new Program(['protocol', 'status', '--watch', ...args, '--hub', `127.0.0.1:${wire.port}`]);
    const [watching, json] = [watch(), watch('shop', '--json')];
    await watching.line(/^shop: 0 connected bots/);
    await json.line(/"connectedBots":0/);
    wire.cut();
    await Promise.all([watching, json].map((program) => program.line(/; going on when it is back$/)));
    const bot = fleet.bot();
    await bot.welcomed();
    await watching.line(/^shop: 1 connected bots/);
    await json.line(/"connectedBots":1/);
    expect(await watching.kill('SIGINT')).toMatchObject({ code: 0 });
    const { code, stdout } = await json.kill('SIGINT');
    expect(code).toBe(0);
    for (const line of stdout.split('\n')) expect(JSON.parse(line).kinds).toMatchObject([{ kind: 'shop' }]);
    await wire.close();
  });

  it('publishes the next major with its translation, and shows both', async () => {
    const major = join(directory, 'v2');
    mkdirSync(major);
    writeFileSync(join(major, 'shop.proto'), shopV2);
    const translation = join(major, 'translation.json');
    const write = (given: object) => writeFileSync(translation, JSON.stringify(given));
    const given = ['publish', major, '--kind', 'shop.v2', '--by', 'ann', '--translation', translation];
    // What the revisions of shop above have more, and the next major has no place for.
    const more = ['note_1', 'note_2', 'fragile'].map((older) => ({ in: 'ShopProgress', older }));
    const fields = [...shopTranslation.fields, ...more];
    write({ ...shopTranslation, fields: fields.slice(1) });
    const refused = await mallbots(...given);
    expect(refused).toMatchObject({ code: 4, stdout: expect.stringContaining('ShopTask.reference') });
    expect(refused.stdout).toContain('{"in": "ShopTask", "newer": "reference", "older": "…"}');
    write(shopTranslation);
    const checked = new Program(['protocol', 'check', major, '--kind', 'shop.v2', '--translation', translation]);
    expect(await checked.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('beside shop') });
    write({ ...shopTranslation, fields });
    expect(await mallbots(...given)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('shop.v2 revision 1 is published'),
    });
    const shown = await mallbots('show', 'shop.v2', '--revision', '1');
    expect(shown.stdout).toContain('// translation between shop and shop.v2, version 1 by ann');
    expect((await mallbots('status', 'shop')).stdout).toContain('its tasks are done in shop.v2 as well');
    write({ ...shopTranslation, fields: [{ in: 'Stop', older: 1 }] });
    expect(await mallbots(...given)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('translation.fields[0].older is "1"'),
    });
  });

  it('publishes the files that it compiles, and no others that are called so', async () => {
    const major = join(directory, 'v4');
    mkdirSync(join(major, 'd.proto/inner'), { recursive: true });
    symlinkSync('nowhere', join(major, 'b.proto'));
    const text = `${shopV2.replace('kinds.shop.v2', 'kinds.shop.v4')}import "google/protobuf/empty.proto";\n`;
    const inner = 'syntax = "proto3";\npackage kinds.shop.v4;\n';
    writeFileSync(join(major, 'shop.proto'), text);
    writeFileSync(join(major, 'd.proto/inner/more.proto'), inner);
    expect(await mallbots('publish', major, '--kind', 'shop.v4', '--by', 'ann')).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await mallbots('show', 'shop.v4', '--revision', '1', '--json');
    expect(JSON.parse(stdout).sources).toEqual([
      { path: 'd.proto/inner/more.proto', text: inner },
      { path: 'shop.proto', text },
    ]);
  });

  it('publishes what just fits into a call, with a long reason', async () => {
    const major = join(directory, 'v3');
    mkdirSync(major);
    const text = `${shopV2.replace('kinds.shop.v2', 'kinds.shop.v3')}//`;
    const write = (source: string) => writeFileSync(join(major, 'shop.proto'), source);
    write(text);
    const { fileDescriptorSet } = await compileDirectory(major);
    const framing = 100;
    write(text.padEnd(bounds.publishedBytes - fileDescriptorSet.length - framing, 'x'));
    const publishing = ['publish', major, '--kind', 'shop.v3', '--by', 'é'.repeat(100), '--reason', '€'.repeat(500)];
    expect(await mallbots(...publishing)).toMatchObject({ code: 0 });
  });
});

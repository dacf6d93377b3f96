import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RevisionStatus } from '../../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { RegistryService, RevisionState } from '../../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { checkDeadlineMs } from '../../support/revisions.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { descriptorsOf, shopRevision } from './shop-revision.ts';

let fleet: Fleet;
let client: ReturnType<typeof connectClient<RegistryService>>;
beforeAll(async () => {
  fleet = await startFleet();
  client = connectClient(RegistryService, fleet.hub.address, fleet.telemetry);
});
afterAll(async () => {
  client.close();
  await fleet[Symbol.asyncDispose]();
});

const by = 'tester';
const publish = async (kind: string, fileDescriptorSet: Buffer, more = {}) =>
  client.api.publish(
    { kind, fileDescriptorSet, sources: [], by, reason: 'a test', draft: false, ...more },
    { deadlineMs: checkDeadlineMs },
  );
const version = async (kind: string) => (await client.api.list({ kind })).kinds[0]!.version;

describe('a mall that never changes its protocol', () => {
  it('has the kinds that the program was built with, ACTIVE, once for all hubs', async () => {
    await fleet.addHub();
    const { kinds: listed } = await client.api.list({ kind: '' });
    expect(listed.map(({ kind, version, revisions }) => [kind, version, revisions.length])).toEqual([
      ['return', 1, 1],
      ['shop', 1, 1],
    ]);
    expect(listed[1]!.revisions[0]).toMatchObject({
      revision: 1,
      digest: kinds.shop.digest,
      state: RevisionState.ACTIVE,
      builtIn: true,
    });
  });
});

describe('publishing', () => {
  it('adds a compatible revision, once, with who and why', async () => {
    const second = await descriptorsOf(shopRevision(2));
    const sources = [{ path: 'shop.proto', text: shopRevision(2) }];
    const { revision, violations } = await publish('shop', second, { sources });
    expect(violations).toEqual([]);
    expect(revision).toMatchObject({ revision: 2, state: RevisionState.CHECKED, publishedBy: by, reason: 'a test' });
    const again = await publish('shop', second);
    expect(again).toMatchObject({ known: true, revision: { digest: revision!.digest, revision: 2 } });
    const detail = await client.api.get({ digest: revision!.digest, kind: '', revision: 0 });
    expect(detail.sources).toMatchObject(sources);
    expect(detail.history.map(({ from, to }) => [from, to])).toEqual([
      [RevisionState.UNSPECIFIED, RevisionState.DRAFT],
      [RevisionState.DRAFT, RevisionState.CHECKED],
    ]);
  });

  it('refuses a breaking one with what, where and why, and stores nothing', async () => {
    const breaking = shopRevision(2).replace('string order_id = 1;', 'uint32 order_id = 1;');
    const before = await client.api.list({ kind: 'shop' });
    const { revision, violations } = await publish('shop', await descriptorsOf(breaking));
    expect(revision).toBeUndefined();
    expect(violations[0]).toMatchObject({ message: 'kinds.shop.v1.ShopTask', field: 'order_id' });
    expect(violations[0]!.line).toBeGreaterThan(0);
    expect(violations[0]!.against).toEqual(['revision 1', 'revision 2']);
    expect(await client.api.list({ kind: 'shop' })).toEqual(before);
    const checked = await client.api.check({ kind: 'shop', fileDescriptorSet: await descriptorsOf(breaking) });
    expect(checked.violations).toEqual(violations);
  });

  it('keeps a draft unchecked, and checks it when it is published', async () => {
    const set = await descriptorsOf(shopRevision(3));
    const draft = await publish('shop', set, { draft: true });
    expect(draft.revision).toMatchObject({ revision: 3, state: RevisionState.DRAFT });
    expect((await publish('shop', set)).revision).toMatchObject({ revision: 3, state: RevisionState.CHECKED });
  });

  it('refuses a draft of what another kind has, with both names', async () => {
    const set = await descriptorsOf(shopRevision(3));
    await expect(publish('shopping', set, { draft: true })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'kind is "shopping"; these descriptors are revision 3 of shop: publish them there, or others here',
    });
    await expect(client.api.list({ kind: 'shopping' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('holds the second of two that come at the same moment against the first', async () => {
    const fourth = shopRevision(4);
    // The same number for another name: each would do without the other.
    const sets = await Promise.all([fourth, fourth.replace('note_3', 'remark')].map(descriptorsOf));
    const published = await Promise.all(sets.map((set) => publish('shop', set)));
    expect(published.map(({ revision }) => revision?.revision).filter(Boolean)).toEqual([4]);
    const [refused] = published.filter(({ revision }) => !revision);
    expect(refused!.violations.flatMap(({ against }) => against)).toContain('revision 4');
  });

  it('of what was made for an older version is refused with what has come since, unless it is there already', async () => {
    const fourth = (await client.api.get({ digest: '', kind: 'shop', revision: 4 })).revision!;
    const basedOn = (await version('shop')) - 1;
    await expect(publish('shop', await descriptorsOf(shopRevision(5)), { basedOn })).rejects.toMatchObject({
      code: 'ABORTED',
      message: expect.stringMatching(
        /since revision 4 became (DRAFT|CHECKED) by "tester".*; merge what has come since/,
      ),
      detail: { reason: 'KIND_MOVED', field: 'based_on', value: String(basedOn) },
    });
    const { fileDescriptorSet } = await client.api.get({ digest: fourth.digest, kind: '', revision: 0 });
    expect(await publish('shop', fileDescriptorSet, { basedOn })).toMatchObject({ known: true });
  });

  it('says how much more there is than can be read', async () => {
    const services = Array.from({ length: 700 }, (_, index) => `service S${index} {}`);
    const set = await descriptorsOf(`${shopRevision(4)}\n${services.join('\n')}`);
    for (const answer of [
      await publish('shop', set),
      await client.api.check({ kind: 'shop', fileDescriptorSet: set }, { deadlineMs: checkDeadlineMs }),
    ]) {
      expect(answer.violations).toHaveLength(500);
      expect(answer.omitted).toBeGreaterThanOrEqual(200);
    }
  });

  it.each([
    ['a kind without a name', { kind: 'Shop!' }, 'kind'],
    ['another name of a kind', { kind: 'shop.v1' }, 'kind'],
    ['bytes that are no descriptors', { fileDescriptorSet: Buffer.from([0xff]) }, 'file_descriptor_set'],
    ['nobody who publishes', { by: ' ' }, 'by'],
  ])('refuses %s', async (_, wrong, field) => {
    const right = {
      kind: 'shop',
      fileDescriptorSet: await descriptorsOf(shopRevision(2)),
      sources: [],
      by,
      reason: '',
      draft: false,
    };
    await expect(client.api.publish({ ...right, ...wrong }, { deadlineMs: checkDeadlineMs })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: { field },
    });
  });
});

describe('changing', () => {
  const second = async () => (await client.api.get({ digest: '', kind: 'shop', revision: 2 })).revision!.digest;

  it('is refused for who has seen an older version', async () => {
    const basedOn = (await version('shop')) - 1;
    await expect(client.api.activate({ digest: await second(), basedOn, by, reason: '' })).rejects.toMatchObject({
      code: 'ABORTED',
      detail: { reason: 'KIND_MOVED', field: 'based_on' },
    });
  });

  it('does not activate what no connected bot could do', async () => {
    const request = { digest: await second(), basedOn: await version('shop'), by, reason: '' };
    await expect(client.api.activate(request)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('0 connected bots serve the kind'),
    });
  });

  it('goes through a canary to ACTIVE when bots have it, and is told in the status', async () => {
    const digest = await second();
    const canary = await client.api.canary({
      ...{ digest, basedOn: await version('shop'), by, reason: 'try', percent: 10, hold: true, ramp: undefined },
    });
    expect(canary.rollout).toMatchObject({ digest, percent: 10, baselineDigest: kinds.shop.digest, hold: true });
    const bot = fleet.bot({ kinds: [{ kind: 'shop', digests: [kinds.shop.digest, digest] }] });
    await bot.welcomed();
    const { kinds: status } = await client.api.getStatus({ kind: 'shop' });
    expect(status[0]!.connectedBots).toBe(1);
    const standing = status[0]!.revisions.find((each) => each.revision?.digest === digest);
    expect(standing?.bots).toMatchObject([{ status: RevisionStatus.APPLIED, bots: 1 }]);
    const active = await client.api.activate({ digest, basedOn: canary.version, by, reason: '' });
    expect(active.revisions[1]!.state).toBe(RevisionState.ACTIVE);
    expect(active.rollout?.outcome).toBe(1);
  });

  it('does not retire what a connected bot alone speaks, and does once it is gone', async () => {
    const old = fleet.bot({ botId: 'old-bot' });
    await old.welcomed();
    const digest = kinds.shop.digest;
    await client.api.deprecate({ digest, basedOn: await version('shop'), by, reason: '' });
    const retire = async () => client.api.retire({ digest, basedOn: await version('shop'), by, reason: '' });
    await expect(retire()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('1 connected bot can speak no other revision of shop'),
    });
    old.cut();
    await fleet.disconnected('old-bot');
    // The hub itself may find it drained meanwhile, and the version moves.
    const retired = () => retire().then(({ revisions }) => revisions[0]!.state, String);
    await expect.poll(retired, { timeout: 20_000 }).toBe(RevisionState.RETIRED);
    const { history } = await client.api.get({ digest, kind: '', revision: 0 });
    expect(history.map(({ to }) => to)).toEqual([
      RevisionState.ACTIVE,
      RevisionState.DEPRECATED,
      RevisionState.DRAINED,
      RevisionState.RETIRED,
    ]);
  });

  it('names what there is not', async () => {
    const missing = `sha256:${'0'.repeat(64)}`;
    await expect(client.api.retire({ digest: missing, basedOn: 1, by, reason: '' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(client.api.get({ digest: '', kind: 'nothing', revision: 0 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(client.api.get({ digest: '', kind: 'shop', revision: 99 })).rejects.toThrow(
      'no revision with revision "shop@99"; `mallbots protocol list` shows what there is',
    );
  });
});

import { expect, it } from 'vitest';
import { kinds } from '../../../src/gen/kinds.ts';
import { RegistryService } from '../../../src/gen/protocol/v1/protocol.ts';
import type { Role } from '../../../src/role/role.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { checkDeadlineMs } from '../../support/revisions.ts';
import { startFleet } from '../fleet.ts';
import { descriptorsOf, shopRevision } from './shop-revision.ts';

const author = { by: 'tester', reason: '' };

it('a hub that is not told of a change, and one that was down, bring it to their bots all the same', async () => {
  await using fleet = await startFleet();
  const mute = await fleet.addHub({ isMute: true });
  const { api, close } = connectClient(RegistryService, mute.address, fleet.telemetry);
  const here = fleet.bot({ botId: 'here' });
  await here.welcomed();
  const fileDescriptorSet = await descriptorsOf(shopRevision(2));
  const request = { kind: 'shop', fileDescriptorSet, sources: [], draft: false, ...author };
  const { revision } = await api.publish(request, { deadlineMs: checkDeadlineMs });
  const { digest } = revision!;
  const basedOn = (await api.list({ kind: 'shop' })).kinds[0]!.version;
  await api.activate({ digest, basedOn, ...author });
  close();

  // The mute hub's note is lost: the other one finds out by looking.
  expect((await here.next('protocolOffer')).value.add).toMatchObject([
    { schema: { kind: 'shop', revision: 2, digest } },
  ]);

  const late: Role = await fleet.addHub();
  const there = fleet.bot({ botId: 'there', kinds: [{ kind: 'shop', digests: [kinds.shop.digest] }] }, late);
  await there.welcomed();
  expect((await there.next('protocolOffer')).value.add).toMatchObject([{ schema: { digest } }]);
});

import { describe, expect, it } from 'vitest';
import { unavailable } from '../../../src/contract/errors.ts';
import { Originals } from '../../../src/gateways/staff/originals.ts';
import { Revision, RevisionDetail } from '../../../src/gen/protocol/v1/protocol.ts';
import { giftNotes, written } from '../../support/revisions.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const gifts = giftNotes();
const { digest } = gifts.schema!;
const payload = written(gifts, 'progressMessage', { itemPicked: { lineId: 'l', giftNote: 'for Ada' } });
const fields = (of = digest) => ({
  quantity: 2,
  original: { schema: { digest: of }, payload: payload.toString('base64') },
});

function asking(answer: () => Promise<RevisionDetail>) {
  const asked: string[] = [];
  const get = (request: { digest: string }) => {
    asked.push(request.digest);
    return answer();
  };
  return { asked, originals: new Originals({ get }, silentLogger) };
}

const known = async () =>
  RevisionDetail.fromPartial({
    revision: Revision.fromPartial({ progressMessage: gifts.progressMessage, resultMessage: gifts.resultMessage }),
    fileDescriptorSet: gifts.fileDescriptorSet,
  });

describe('what a bot really said', () => {
  it('is named by its revision, which a hub is asked for once, however many events come at once', async () => {
    const { asked, originals } = asking(known);
    const named = await Promise.all([1, 2, 3].map(() => originals.named('bots.item_picked', fields())));
    expect(named[2]).toMatchObject({ quantity: 2, original: { payload: { itemPicked: { giftNote: 'for Ada' } } } });
    await originals.named('bots.item_picked', fields());
    expect(asked).toEqual([digest]);
  });

  it('stays base64 where no hub can be asked, and does not wait for it at each event', async () => {
    const { asked, originals } = asking(() => Promise.reject(unavailable('no hub', 'HUB_UNAVAILABLE')));
    for (let event = 0; event < 3; event++) {
      expect(await originals.named('bots.item_picked', fields())).toEqual(fields());
    }
    expect(asked).toEqual([digest]);
  });

  it('stays base64 where it is not what its revision says', async () => {
    const { originals } = asking(known);
    const broken = { original: { schema: { digest }, payload: Buffer.from([0xff]).toString('base64') } };
    expect(await originals.named('bots.item_picked', broken)).toEqual(broken);
  });

  it('is nothing in an event that has no original', async () => {
    const { asked, originals } = asking(known);
    expect(await originals.named('orders.ready', { bay: 'B1' })).toEqual({ bay: 'B1' });
    expect(asked).toEqual([]);
  });

  it('is remembered for the revisions that were wanted last', async () => {
    const { asked, originals } = asking(known);
    for (let one = 0; one < 40; one++) {
      await originals.named('bots.item_picked', fields(`sha256:${one}`));
      await originals.named('bots.item_picked', fields());
    }
    expect(asked.filter((each) => each === digest)).toHaveLength(1);
    await originals.named('bots.item_picked', fields('sha256:0'));
    expect(asked.filter((each) => each === 'sha256:0')).toHaveLength(2);
  });
});

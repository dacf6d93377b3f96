import { expect, it } from 'vitest';
import { HubFrame, type ProtocolOffer } from '../../src/gen/fleet/v1/fleet.ts';
import { hubDefinition } from '../../src/hub/envelope.ts';

const { responseSerialize } = hubDefinition.session;
const schema = { kind: 'shop', revision: 2, digest: 'sha256:two' };
const messages = { taskMessage: 'T', progressMessage: 'P', resultMessage: 'R' };

it('writes frames that say what they were given', () => {
  const value: ProtocolOffer = {
    add: [{ schema, ...messages, fileDescriptorSet: Buffer.from('descriptors') }],
    remove: [],
    retired: [],
  };
  const frames: HubFrame[] = [
    { seq: 7, ack: 0, traceparent: '', body: { $case: 'protocolOffer', value } },
    { seq: 8, ack: 300, traceparent: 'tp', body: { $case: 'protocolOffer', value } },
    { seq: 0, ack: 9, traceparent: '', body: { $case: 'acknowledgement', value: {} } },
  ];
  for (const frame of frames) {
    const read = HubFrame.decode(responseSerialize(frame));
    expect(HubFrame.toJSON(read)).toEqual(HubFrame.toJSON(frame));
  }
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { anyKind, connectBot, type GenericTask, TaskFailed } from '../../bots/sdk/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { compiled, inspectSource } from '../../src/demo/change/sources.ts';
import { startStaff } from '../../src/gateways/staff/staff.ts';
import { RegistryService } from '../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { startDoubles } from '../gateways/doubles.ts';
import { staffContext } from '../gateways/staff/staff-context.ts';
import { type Fleet, startFleet } from '../hub/fleet.ts';
import { withDatabase } from '../support/database.ts';
import { describeWithJournal, type OpenJournal } from '../support/journal-stacks.ts';
import { Program } from '../support/program.ts';
import { checkDeadlineMs } from '../support/revisions.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

/** Commands are processes, on a machine that is busy with other tests. ms */
const timeout = 60_000;

describeWithJournal('mallbots staff ask', suite);

function suite(open: OpenJournal): void {
  const cleanUp = new AsyncDisposableStack();
  let fleet: Fleet;
  let staff: string;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mallbots-ask-'));
    cleanUp.defer(() => rmSync(directory, { recursive: true }));
    const mall = await open(cleanUp.use(await withDatabase()));
    cleanUp.defer(() => mall.close());
    fleet = cleanUp.use(await startFleet({ broker: mall.broker, leaseMs: 60_000 }));
    const services = cleanUp.use(await startDoubles({}));
    const address = { ...services.address, hub: fleet.hub.address };
    const role = await startStaff(staffContext(address, recordingTelemetry('staff'), { broker: mall.broker }));
    cleanUp.defer(() => role.drain());
    staff = role.address;
    // Whichever hub is asked.
    const { address: hub } = await fleet.addHub();
    const bot = connectBot({ hub, botId: 'inspector', kinds: [anyKind.serve(inspect as never)] });
    cleanUp.defer(() => bot.kill());
    await bot.ready();
    await publishInspect();
  }, timeout);
  afterAll(() => cleanUp.disposeAsync());

  async function publishInspect(): Promise<void> {
    const { watchStatus: _, ...unary } = RegistryService;
    const { api, close } = connectClient(unary, fleet.hub.address, fleet.telemetry);
    const author = { by: 'tester', reason: '' };
    const { fileDescriptorSet } = await compiled(inspectSource);
    const asked = { kind: 'inspect', fileDescriptorSet, sources: [], draft: false, ...author };
    const { revision } = await api.publish(asked, { deadlineMs: checkDeadlineMs });
    const basedOn = (await api.list({ kind: 'inspect' })).kinds[0]!.version;
    await api.activate({ digest: revision!.digest, basedOn, ...author });
    close();
  }

  async function inspect(task: GenericTask): Promise<object> {
    const { storeName } = task.payload;
    await task.progress({ storeName: storeName!, metres: 4.5 });
    if (storeName === 'closed') throw new TaskFailed({ reason: 'the shutter is down', retryable: false });
    return { storeName, tidy: false, walkedMetres: 9 };
  }

  const ask = (...args: string[]) => new Program(['staff', 'ask', ...args, '--staff', staff]).ended;

  it('gives a robot the task, and tells what it says by the names of the revision', { timeout }, async () => {
    const { code, stdout } = await ask('inspect', '--payload', '{"store_name": "Tea", "place": {"x": 3}}', '--wait');
    const id = /[0-9a-f-]{36}/.source;
    expect(stdout).toMatch(
      new RegExp(
        String.raw`^${id} {2}inspect revision 1
inspector begins
inspector says {2}\{"storeName":"Tea","metres":4\.5\}
inspector succeeds {2}\{"storeName":"Tea","tidy":false,"walkedMetres":9\}$`,
      ),
    );
    expect(code).toBe(0);
  });

  it('is one JSON object for programs, and takes the payload from a file', { timeout }, async () => {
    const file = join(directory, 'task.json');
    writeFileSync(file, '{"storeName": "Tea"}');
    const { stdout } = await ask(
      'inspect',
      '--payload',
      file,
      '--revision',
      '1',
      '--bot',
      'inspector',
      '--json',
      '--wait',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      task: { kind: 'inspect', revision: 1, onlyBotId: 'inspector' },
      outcome: 'succeeded',
      reason: null,
      steps: [{ storeName: 'Tea', metres: 4.5 }],
      result: { storeName: 'Tea', tidy: false, walkedMetres: 9 },
    });
  });

  it('has status 1 when the task fails, with the reason', { timeout }, async () => {
    const { code, stdout } = await ask('inspect', '--payload', '{"storeName": "closed"}', '--wait');
    expect(stdout).toMatch(/\nfailed: the shutter is down$/);
    expect(code).toBe(1);
  });

  it('does not wait unless told to, and says that nobody takes it yet', { timeout }, async () => {
    fleet.bot({ botId: 'shopper' });
    const shopper = fleet.bot({ botId: 'other' });
    await shopper.welcomed();
    const { code, stdout, stderr } = await ask('inspect', '--bot', 'other');
    expect(code).toBe(0);
    const [taskId] = stdout.split(' ');
    expect(stderr).toContain('it waits for a robot; "mallbots protocol status inspect"');
    expect(await fleet.admin.getTask({ taskId: taskId! })).toMatchObject({ state: 'QUEUED', onlyBotId: 'other' });
  });

  it('is asked for once, however often the request comes', async () => {
    const request = { taskId: newId(), kind: 'inspect', revision: 0, payloadJson: '', onlyBotId: 'inspector' };
    const { createdAt } = await fleet.admin.askTask(request);
    expect(await fleet.admin.askTask({ ...request, payloadJson: '{"storeName": "Tea"}' })).toMatchObject({ createdAt });
    expect((await fleet.tasks({ kind: 'inspect' })).filter(({ taskId }) => taskId === request.taskId)).toHaveLength(1);
  });

  it.each([
    [['inspekt'], 3, 'no kind with kind "inspekt"; `mallbots protocol list` shows what there is'],
    [['inspect', '--revision', '2'], 3, 'no revision with revision "inspect@2"'],
    [['inspect', '--bot', 'nobody'], 3, 'no bot with bot_id "nobody"'],
    [['shop'], 4, 'tasks of kind shop belong to orders; place an order'],
    [['inspect', '--payload', '{"place": {"x": "far"}}'], 2, 'payload.place.x is "far"; expected number'],
    [['inspect', '--payload', 'missing.json'], 2, 'it cannot be read'],
  ])('is refused with field, value and remedy: %s', { timeout }, async (args, status, message) => {
    const { code, stderr } = await ask(...args);
    expect(stderr).toContain(message);
    expect(code).toBe(status);
  });
}

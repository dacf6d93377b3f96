import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Program } from '../support/program.ts';
import { startScriptedHub } from '../support/scripted-hub.ts';

const bots = (...args: string[]) =>
  new Program(['bots', ...args], { MALLBOTS_TRACE_FILE: '/dev/null', MALLBOTS_LOG_LEVEL: 'info' });

async function hub() {
  const started = await startScriptedHub();
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

describe('mallbots bots', () => {
  it.each([
    ['--name-prefix', 'a b', /give at most 56 of A-Z a-z 0-9/],
    ['--name-prefix', 'x'.repeat(57), /give at most 56/],
    ['--hub', 'nowhere', /give host:port/],
    ['--hub', '127.0.0.1:7001,127.0.0.1:70000', /give host:port/],
    ['--count', 'abc', /give a whole number from 1 to 10000/],
    ['--crash-rate', '2', /give a number from 0 to 1/],
    ['--reject-revision', 'shop', /give a kind and number such as shop@2, or a digest/],
  ])('refuses %s %s with status 2', async (option, value, remedy) => {
    const { code, stderr } = await bots(option, value).ended;

    expect(stderr).toMatch(remedy);
    expect(code).toBe(2);
  });

  it('ends with status 4 and the reason when the hub will have none of them', async () => {
    const { address, nextSession } = await hub();
    const program = bots('--hub', address, '--count', '2');
    for (let n = 0; n < 2; n += 1) (await nextSession()).refuse(status.INVALID_ARGUMENT, 'hello.bot_id is wrong');

    const { code, stderr } = await program.ended;

    expect(stderr).toMatch(/^error: hub .* refuses this bot with INVALID_ARGUMENT: hello.bot_id is wrong$/m);
    expect(code).toBe(4);
  });

  it('says who is kept out and why, and goes on trying', async () => {
    const { address, nextSession } = await hub();
    const program = bots('--hub', address, '--count', '1');
    for (let n = 0; n < 2; n += 1) (await nextSession()).refuse(status.ALREADY_EXISTS, 'bot-1 is connected');

    await program.line(/ALREADY_EXISTS: bot-1 is connected.*kept out/);
    await nextSession();
    await program.kill('SIGTERM');
  });
});

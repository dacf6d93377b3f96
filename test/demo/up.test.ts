import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endpointNames, endpointVariable } from '../../src/config.ts';
import { KioskClient } from '../../src/demo/kiosk-client.ts';
import { drawMall, drawOrders } from '../../src/demo/mall.ts';
import { shop } from '../../src/demo/shopper.ts';
import { freePort } from '../../src/kit/free-port.ts';
import { type Ended, mallTimeoutMs, Program } from '../support/program.ts';

const seed = 5;
let environment: Record<string, string>;
let directory: string;
let kioskAddress: string;
const running: Program[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mallbots-up-'));
  chmodSync(directory, 0o755);
  const listen: Record<string, string> = {};
  for (const each of endpointNames) listen[endpointVariable(each, 'LISTEN')] = `127.0.0.1:${await freePort()}`;
  environment = { ...listen, MALLBOTS_DATA: directory, DATABASE_URL: '', AMQP_URL: '' };
  kioskAddress = listen.MALLBOTS_KIOSK_LISTEN!;
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.kill('SIGTERM')));
  rmSync(directory, { recursive: true, force: true });
});

async function up(...args: string[]): Promise<Program> {
  const program = new Program(['up', '--bots', '3', `--seed=${seed}`, ...args], environment);
  running.push(program);
  await program.line(/The mall is open/);
  return program;
}

describe('mallbots up', { timeout: mallTimeoutMs }, () => {
  test('finishes the orders that were placed before the whole tree was killed', async () => {
    const first = await up('--time-scale', '2');
    const signal = new AbortController().signal;
    const kiosk = new KioskClient(kioskAddress, signal);
    const mall = drawMall(seed);
    const plans = drawOrders(seed, mall, 3);
    const placed = await Promise.all(
      plans.map(({ shopper, lines }, index) =>
        kiosk.placeOrder(`before-${index}-order`, { shopper, currency: mall.currency, lines }),
      ),
    );
    const events = kiosk.events(placed[0]!.orderId);
    for await (const { name } of events) if (name === 'bots.stop_reached') break;

    await first.kill('SIGKILL');
    running.splice(0);
    await up('--time-scale', '200');

    // The same key finds the same order; the shopper goes on as if nothing had been.
    await Promise.all(
      plans.map(async ({ shopper, lines }, index) => {
        const seen: string[] = [];
        const plan = { shopper, currency: mall.currency, lines, pays: 'early' } as const;
        const handedOver: Array<Promise<Ended>> = [];
        const happened = (_plan: unknown, { orderId }: { orderId: string }, { name }: { name: string }) => {
          expect(orderId).toBe(placed[index]!.orderId);
          seen.push(name);
          if (name === 'orders.collectable')
            handedOver.push(new Program(['staff', 'hand-over', kiosk.pickupCode(orderId)!], environment).ended);
        };
        await shop(`before-${index}`, plan, kiosk, { placed() {}, happened }, signal);
        for (const { code, stderr } of await Promise.all(handedOver)) expect(code, stderr).toBe(0);
        expect(seen.at(-1)).toMatch(/^orders\.(completed|cancelled)$/);
      }),
    );
  });

  test('ends at once and cleanly when it is told to, and keeps its data', async () => {
    const program = await up();
    running.splice(0);

    expect((await program.kill('SIGTERM')).code).toBe(0);

    const again = await up();
    await again.line(/Ctrl-C stops it/);
    expect(again.lines.join('\n')).toContain('The mall is open again: 3 bots.');
    expect(again.lines.filter((line) => line.length > 80 && !line.includes(directory))).toEqual([]);
  });

  test('refuses a second one beside it, and says which directory and which process', async () => {
    await up();
    const second = await new Program(['up'], { ...environment, MALLBOTS_HUB_LISTEN: '127.0.0.1:1' }).ended;

    expect(second.code).not.toBe(0);
    expect(second.stderr).toContain(directory);
  });
});

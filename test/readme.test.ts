import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mallTimeoutMs, Program } from './support/program.ts';

const readme = readFileSync('README.md', 'utf8');

/** Fenced blocks. `sh` alone runs here, beside a mall that is up, and so does `sh forever` for a while; `sh ci` is what .ci/run runs, `sh change` what test/demo/protocol-change.test.ts does; `sh docker` needs an engine. */
const blocks = [...readme.matchAll(/^```(\w*) ?(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, where, text]) => ({
  language,
  where,
  text: text!,
}));
const commands = (where: string) => blocks.filter((block) => block.language === 'sh' && block.where === where);
const packageJson = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
const ci = readFileSync('.ci/run', 'utf8');

/** A command that runs until Ctrl-C, with the Ctrl-C; npx answers it with 130. What it logs is on standard error. */
const forAWhile = (command: string) =>
  `timeout --preserve-status --signal=INT 4 ${command.trim()} 2>&1 || [ $? = 130 ]`;

/** The rows of a waterfall, without what is different each time: times, bars, branches, and in which order receivers took a message. */
const stepsOf = (text: string): string[] =>
  [...text.matchAll(/^ *[\d.]+ m?s +[\d.]+ m?s +[█▏]+[ │├└]*(.*?)(?: {2}.*)?$/gm)].map(([, step]) => {
    const [, who = '', what = ''] = /^(.*?) (\S+)$/.exec(step!)!;
    const [from, to = ''] = who.split(' → ');
    return `${from} ${to.split(', ').toSorted().join()} ${what.slice(0, 5)}`;
  });

/** How long robots may take for the order of the README. */
const readyTimeoutSeconds = 150;

describe('the README', { timeout: mallTimeoutMs }, () => {
  test('begins with the two commands of a fresh machine', () => {
    expect(
      blocks
        .filter(({ language }) => language === 'sh')
        .slice(0, 1)[0]!
        .text.trim(),
    ).toBe('npm ci && npm run demo');
    expect(commands('ci')[1]!.text.trim()).toBe('npm ci && npm test');
  });

  test('prints what the demo prints', () => {
    const { status, stdout } = spawnSync('npm', ['run', '-s', 'demo'], { encoding: 'utf8' });
    expect(status).toBe(0);
    const printed = blocks.find(({ language, text }) => language === '' && text.includes('mall      opens'))!;
    const [story, summary] = [/ s {2}\S+ +(.*)/, /^(orders|items|money|tasks|checks) .*/];
    const stable = (text: string, pattern: RegExp) => text.split('\n').flatMap((line) => pattern.exec(line)?.[0] ?? []);
    expect(stable(stdout, summary)).toEqual(stable(printed.text, summary));
    // Which robot takes which list is a matter of milliseconds, and a pickup code one of chance.
    const said = (text: string) =>
      stable(text, story).map((line) =>
        line.replace(/bot-\d|bay B\d+|\b[0-9A-Z]{4}-[0-9A-Z]{3}\b/g, 'some').replace(/ +/g, ' '),
      );
    expect(said(stdout)).toEqual(expect.arrayContaining(said(printed.text)));
  });

  test('names only npm scripts that exist and CI commands that CI runs', () => {
    for (const [, script] of readme.matchAll(/npm run (?:-s )?([\w:]+)/g))
      expect(packageJson.scripts).toHaveProperty([script!]);
    const lines = commands('ci').flatMap(({ text }) => text.trim().split('\n'));
    for (const line of lines) {
      for (const part of line.split(' && ')) {
        const [, script] = /^npm (?:run (?:-s )?)?([\w:]+)/.exec(part)!;
        const stage =
          script === 'demo'
            ? '.ci/run-demo.js'
            : `npm ${['ci', 'test'].includes(script!) ? script : `run -s ${script}`}`;
        expect(ci).toContain(stage);
      }
    }
    const demoOptions = lines.flatMap((line) => /^npm run -s demo -- (.*)$/.exec(line)?.[1] ?? []);
    expect(demoOptions).toHaveLength(2);
    for (const options of demoOptions) expect(options).toMatch(/^--orders 12 --bots 4 --seed 7 --json/);
    expect(ci).toContain('--orders 12 --bots 4 --seed 7');
  });

  test('scales a service that docker-compose.yml has', () => {
    const compose = readFileSync('docker-compose.yml', 'utf8');
    const [, service] = /--scale (\w+)=/.exec(commands('docker')[0]!.text)!;
    expect(compose).toMatch(new RegExp(`^ {2}${service}:$`, 'm'));
  });

  describe('beside a mall that is up', () => {
    let directory: string;
    let mall: Program;

    beforeAll(async () => {
      expect(commands('up').map(({ text }) => text.trim())).toEqual(['npx mallbots up']);
      directory = mkdtempSync(join(tmpdir(), 'mallbots-readme-'));
      chmodSync(directory, 0o755);
      mall = new Program(['up'], { MALLBOTS_DATA: directory });
      await mall.line(/The mall is open/);
    });
    afterAll(async () => {
      const { code } = await mall.kill('SIGINT');
      rmSync(directory, { recursive: true, force: true });
      expect(code).toBe(0);
    });

    test('has commands that work as they stand, one after the other', () => {
      const untilReady = `timeout ${readyTimeoutSeconds} sh -c "until curl -s http://127.0.0.1:7080/v1/orders/$order | grep -q '\\"state\\":\\"ready\\"'; do sleep 0.2; done"`;
      const script = blocks
        .filter(({ language, where }) => language === 'sh' && (where === '' || where === 'forever'))
        .map(({ where, text }) => (where === 'forever' ? forAWhile(text) : text))
        .map((text) => (text.includes('staff pickups') ? `${untilReady}\n${text}` : text))
        .join('\n');
      const output = execFileSync('bash', ['-euo', 'pipefail', '-c', script], {
        encoding: 'utf8',
        env: { ...process.env, MALLBOTS_DATA: directory },
      });
      expect(output).toContain('event: orders.placed');
      expect(output).toMatch(/handed over to Ada/);
      expect(output).toContain('€0.50 given back to Ada');
      expect(output).toMatch(/connected to hub/);
      expect(output).toMatch(/fleet stopped/);
      expect(output).toMatch(/PostgreSQL .* embedded/);
      expect(output).toContain('fleet.v1.Hub/Session');
      const printed = blocks.find(({ text }) => text.includes('bot shop task'))!;
      expect(stepsOf(output)).toEqual(expect.arrayContaining(stepsOf(printed.text)));
      expect(stepsOf(printed.text).length).toBeGreaterThan(20);
      expect(output).toMatch(/s from the order to its pickup/);
      expect(output).toContain('compatible: it may be a revision of shop');
      expect(output).toContain('FIELD_TYPE_WIDENED kinds.shop.v1.LineOutcome.picked');
      expect(output).toMatch(/shop revision 2 \(\w+\) is CANARY at 50 %/);
      expect(output).toMatch(/shop revision 2 \(\w+\) is ACTIVE/);
      expect(output).toMatch(/shop revision 1 \(\w+\) is RETIRED/);
      expect(output).toMatch(
        /bot-\d+ succeeds {2}\{"storeName":"Green Thumb","tidy":true,"walkedMetres":1\d(\.\d+)?\}/,
      );
    });
  });
});

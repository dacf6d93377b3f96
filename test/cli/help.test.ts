import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { staffCommand } from '../../src/cli/staff.ts';
import { Program } from '../support/program.ts';

const mallbots = (...args: string[]) => new Program(args, { COLUMNS: '80' }).ended;
/** As the help of the program lists them. */
const commands = ['demo', 'up', 'staff', 'bots', 'open', 'doctor', 'protocol', 'migrate', 'health', 'hub', 'kiosk'];

describe('the help', () => {
  it('lists every command', async () => {
    const { stdout, code } = await mallbots('--help');

    expect(commands.filter((name) => !new RegExp(`^  ${name}\\b`, 'm').test(stdout))).toEqual([]);
    expect(code).toBe(0);
  });

  it.each([
    '',
    ...commands,
    'staff pickups',
    'staff hand-over',
    'staff cancel',
    'staff refund',
    'staff tasks',
    'staff journal',
    'staff watch',
    'staff parked',
    'staff parked drop',
    'stats',
    'protocol check',
    'protocol diff',
    'protocol publish',
    'protocol canary',
    'protocol status',
  ])('of "mallbots %s" fits 80 columns', async (command) => {
    const { stdout, code } = await mallbots(...command.split(' ').filter(Boolean), '--help');

    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^Usage: mallbots/);
    expect(code).toBe(0);
  });

  it('is shown, with the status of a mistake, when no command is given', async () => {
    const { stdout, stderr, code } = await mallbots();

    expect(stderr).toMatch(/^Usage: mallbots/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

/** Of a command and of all below it, those that do something, with their names on the command line. */
const doing = (command: Command, path: string): Array<[string, Command]> =>
  command.commands.length === 0
    ? [[path, command]]
    : command.commands.flatMap((child) => doing(child, `${path} ${child.name()}`));

it.each(doing(staffCommand(), 'mallbots staff'))(
  'the help of "%s" has an example of it, and fits 80 columns',
  (path, command) => {
    const written: string[] = [];
    command.configureOutput({ writeOut: (text) => written.push(text), getOutHelpWidth: () => 80 }).outputHelp();
    const lines = written.join('').split('\n');

    expect(lines.filter((line) => line.startsWith(`  $ ${path}`))).not.toEqual([]);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  },
);

it('the version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

  expect(await mallbots('--version')).toMatchObject({ stdout: version, code: 0 });
});

it.each([
  [['nosuch'], "error: unknown command 'nosuch'"],
  [['staff', 'hand-ovr', 'x'], "error: unknown command 'hand-ovr'"],
  [['up', '--nosuch'], "error: unknown option '--nosuch'"],
])('%j is a mistake that is named, with status 2', async (args, message) => {
  const { stdout, stderr, code } = await mallbots(...args);

  expect(stderr.split('\n')[0]).toBe(message);
  expect(stdout).toBe('');
  expect(code).toBe(2);
});

describe('completion', () => {
  it('is a script for the shell', async () => {
    const { stdout, code } = await mallbots('completion', 'bash');
    expect(stdout).toContain('mallbots');
    expect(code).toBe(0);
  });

  it('suggests commands, and those of a command', async () => {
    const first = await mallbots('complete', '--', 'st');
    expect(first.stdout.split('\n').map((line) => line.split('\t')[0])).toEqual(
      expect.arrayContaining(['staff', 'stats']),
    );
    const second = await mallbots('complete', '--', 'staff', 'parked', 're');
    expect(second.stdout).toMatch(/^retry\t/);
    const follow = await mallbots('complete', '--', 'staff', 'journal', '--f');
    expect(follow.stdout.split('\n').map((line) => line.split('\t')[0])).toEqual(
      expect.arrayContaining(['--follow', '--from']),
    );
  });
});

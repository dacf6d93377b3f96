import { existsSync, readFileSync, renameSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unavailable } from '../../src/contract/errors.ts';
import type { Armed } from './crash-faults.ts';
import { crashPoints } from './crash-points.ts';
import { defectNamed } from './defects.ts';
import { fits, rewritten } from './rewrite.ts';

/**
 * Imported before a role's program by NODE_OPTIONS: plants the crash points and, where one is asked for, a defect into the sources as they
 * are loaded. A crash point that is passed looks whether it is its turn.
 */
const root = fileURLToPath(new URL('../../', import.meta.url));
const directory = process.env.MALLBOTS_CHAOS_DIRECTORY ?? '';
const defect = defectNamed(process.env.MALLBOTS_CHAOS_DEFECT ?? '');

const armed = join(directory, 'armed');
const fired = join(directory, 'fired');
/** Since it was armed. */
let passes = 0;

/** Whether this process is the one to fail here, which no other will then. */
function fires(name: string): Armed['how'] | undefined {
  if (!existsSync(armed)) {
    passes = 0;
    return undefined;
  }
  try {
    const { point, passesBefore, how } = JSON.parse(readFileSync(armed, 'utf8')) as Armed;
    if (point !== name) return undefined;
    passes += 1;
    if (passes <= passesBefore) return undefined;
    renameSync(armed, fired);
    return how;
  } catch {
    // Another process was here at the same moment.
    return undefined;
  }
}

Object.assign(globalThis, {
  chaos(name: string) {
    const how = fires(name);
    if (how === 'kill') process.kill(process.pid, 'SIGKILL');
    if (how === 'lose the answer') throw unavailable(`the answer is lost at "${name}"`, 'CHAOS');
  },
});

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.startsWith('file:') || !loaded.source) return loaded;
    const file = relative(root, fileURLToPath(url));
    let source = String(loaded.source);
    if (defect) source = rewritten(file, source, defect);
    for (const point of crashPoints) {
      // Where a defect is, some of them have no place any more.
      if (!defect || fits(file, source, point)) source = rewritten(file, source, point);
    }
    return { ...loaded, source };
  },
});

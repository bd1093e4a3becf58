/** `recovery-million`, seen from the parent: one backlog is built, each run gets a copy of it and a process of its own. */
import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Figures, inFreshFolder, type RunContext } from './run.js';
import { measureInChild, runToKill } from './spawn.js';

export async function runRecovery(context: RunContext): Promise<Figures[]> {
  return inFreshFolder(context.folder, async (built) => {
    await runToKill({ ...context, name: 'recovery-build', folder: built });
    const runs: Figures[] = [];
    for (let run = 0; run < Math.min(3, context.timings.runs); run += 1) {
      await inFreshFolder(context.folder, async (folder) => {
        await cp(built, folder, { recursive: true });
        // The shared-memory file belongs to processes that are gone; SQLite makes it anew from the log.
        for (const name of await readdir(folder)) if (name.endsWith('-shm')) await rm(join(folder, name));
        runs.push(...(await measureInChild({ ...context, name: 'recovery-drain', folder })));
      });
    }
    return runs;
  });
}

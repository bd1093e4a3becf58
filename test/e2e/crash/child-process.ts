/** Runs one child to its end, natural or not. Owns the process and the clock that says that it hangs. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ChildPlan, Kill } from './plan.js';

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url));
/** Nothing that a child does takes longer, also on a slow machine. */
const HANGS_AFTER_MS = 30_000;

export type ChildEnd =
  | { readonly type: 'killed' }
  /** It had stopped in order before the kill. */
  | { readonly type: 'stopped' }
  | { readonly type: 'wrong'; readonly words: string };

export function runChild(node: string, plan: ChildPlan, kill: Kill | undefined): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    const errors = openSync(join(plan.folder, 'stderr.txt'), 'a');
    const child = spawn(node, [CHILD, JSON.stringify(plan)], { stdio: ['ignore', errors, errors, 'pipe'] });
    closeSync(errors);
    let left = kill?.count ?? 0;
    let killed = false;
    let hung = false;
    // The very end of this one process: by its id, and never by a name.
    const end = (): void => {
      if (child.exitCode === null && child.signalCode === null) killed = child.kill('SIGKILL') || killed;
    };
    const watchdog = setTimeout(() => {
      hung = true;
      end();
    }, HANGS_AFTER_MS);
    let heard = '';
    const afterTurns = (turns: number): void => {
      if (turns === 0) end();
      else setImmediate(() => afterTurns(turns - 1));
    };
    (child.stdio[3] as Readable).on('data', (piece: Buffer) => {
      const letters = piece.toString('latin1');
      heard = (heard + letters).slice(-100);
      if (kill === undefined) return;
      for (const letter of letters) {
        if (letter !== kill.sign) continue;
        left -= 1;
        if (left === 0) afterTurns(kill.turns);
      }
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(watchdog);
      if (hung) resolve({ type: 'wrong', words: `process ${child.pid} hung; its last signs were "${heard}"` });
      else if (signal === 'SIGKILL' && killed) resolve({ type: 'killed' });
      else if (code === 0) resolve({ type: 'stopped' });
      else
        resolve({ type: 'wrong', words: `process ${child.pid} ended by itself with ${signal ?? `exit code ${code}`}` });
    });
  });
}

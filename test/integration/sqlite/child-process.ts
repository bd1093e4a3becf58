/** Runs the embedded store in another process: bundles a small program from the sources, since children load plain files. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/** Inside the project, so that the bundle finds the project's packages. */
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/', import.meta.url));
const PROGRAM = fileURLToPath(new URL('./child-program.ts', import.meta.url));

export async function bundleProgram(): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const outDir = mkdtempSync(join(CACHE, 'aq-child-'));
  await build({
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: PROGRAM,
      outDir,
      target: 'es2022',
      minify: false,
      rollupOptions: { output: { entryFileNames: 'child.mjs' } },
    },
  });
  return join(outDir, 'child.mjs');
}

export interface Child {
  readonly process: ChildProcess;
  /** Resolves with the next line that it prints; rejects when it ends before that. */
  readonly nextLine: () => Promise<string>;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export function startChild(program: string, ...args: readonly string[]): Child {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const waiters: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  let over = false;
  createInterface({ input: child.stdout })
    .on('line', (line) => {
      const waiter = waiters.shift();
      if (waiter === undefined) lines.push(line);
      else waiter.resolve(line);
    })
    .on('close', () => {
      over = true;
      for (const waiter of waiters.splice(0)) waiter.reject(new Error('The child ended.'));
    });
  return {
    process: child,
    nextLine: () => {
      const line = lines.shift();
      if (line !== undefined) return Promise.resolve(line);
      if (over) return Promise.reject(new Error('The child ended.'));
      return new Promise((resolve, reject) => waiters.push({ resolve, reject }));
    },
    ended: new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal }))),
  };
}

#!/usr/bin/env node
/** The `atomic-queues` command: binds `run` to this process. */
import { run } from './program.js';

// A reader such as `head` may close the pipe early. Nothing is being changed while results are written, so that is an end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

// Node calls its own SQLite experimental in some versions, which tells the user of a command nothing.
process.removeAllListeners('warning');
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') process.stderr.write(`${warning.name}: ${warning.message}\n`);
});

function onInterrupt(callback: () => void): () => void {
  // Once: a second signal ends the process at once, which is safe as well.
  process.once('SIGINT', callback);
  process.once('SIGTERM', callback);
  return () => {
    process.off('SIGINT', callback);
    process.off('SIGTERM', callback);
  };
}

const { stdout, stderr, stdin, env, argv } = process;

process.exitCode = await run(argv.slice(2), { stdout, stderr, stdin, env, cwd: process.cwd(), onInterrupt });

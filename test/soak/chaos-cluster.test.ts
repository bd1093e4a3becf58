/** The chaos run on a Redis Cluster whose slots move, longer than the everyday tests have time for. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

test('goes on while the slots of a Redis Cluster move, scripts are flushed and nodes join (I1-I8)', {
  timeout: 600_000,
}, async () => {
  const args = ['--rounds', '6', '--seed', process.env['CHAOS_SEED'] ?? '1', '--servers', 'cluster'];
  const ended = run('node', ['scripts/chaos.mjs', ...args, '--only', 'reshard,flush,join', '--faults', '3']);
  // A round that fails ends the script with another code, and what it printed says why.
  const { stdout } = await ended.catch((error: { message: string; stdout?: string }) => {
    throw new Error(error.stdout ?? error.message);
  });
  expect(stdout).toContain('seed');
});

/**
 * A short chaos run: real nodes and real servers, and planted bugs that it must notice. The seed fixes the faults, not what
 * real processes make of them; a failure prints it and the command to repeat it. For longer ones: `npm run chaos`.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/chaos.mjs', import.meta.url));
const SEED = Number(process.env['CHAOS_SEED'] ?? 1);

/** Runs the script to its end; resolves with its exit code and what it printed. */
function chaos(...args: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SCRIPT, '--rounds', '1', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (piece: Buffer) => {
        text += piece.toString();
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, text }));
  });
}

async function expectClean(...args: readonly string[]): Promise<void> {
  // The text goes along: it says what went wrong, the seed, and how to repeat it.
  const { code, text } = await chaos('--seed', String(SEED), ...args);
  if (code !== 0) throw new Error(text);
  expect(code).toBe(0);
}

test('loses, doubles and reorders nothing when nodes are killed, stopped and redeployed and Redis restarts (I1-I8)', async () => {
  await expectClean('--servers', 'single', '--only', 'kill,stop,leave,network,late,redis-restart', '--faults', '6');
});

test('loses nothing that was acknowledged when a replica is promoted, with replicated(1) (I1, M10)', async () => {
  await expectClean('--servers', 'replica', '--durability', 'replicated(1)', '--only', 'promotion', '--faults', '2');
});

test('loses nothing that was acknowledged when replicas of a Cluster are promoted and slots move, with replicated(1) (I1, M10)', async () => {
  await expectClean(
    ...['--servers', 'cluster', '--durability', 'replicated(1)', '--only', 'promotion,reshard', '--faults', '3'],
  );
});

test('loses no more than the documented limit when a replica is promoted, with async (M8, M9)', async () => {
  await expectClean('--servers', 'replica', '--durability', 'async', '--only', 'promotion,kill', '--faults', '2');
});

/** With what finds each of them; those that need the same faults share a run. */
test.for([
  ['no-fences', [/I3 \(/], '--only', 'stop', '--faults', '2'],
  [
    'forget-offers,hasty-queries,deaf-pauses,deaf-cancels',
    [
      /I[17] \(.* (it is neither pending nor ended|has vanished)/,
      /I4 \(.* query \S+ started before command/,
      /I4 \(.* is paused, and nobody had resumed it/,
      /I2 \(.* 'cancel' was done/,
    ],
    '--only',
    'flush',
    '--faults',
    '1',
  ],
] as const)('notices the planted bugs %s', async ([bugs, words, ...args]) => {
  const { code, text } = await chaos('--seed', '1', '--servers', 'single', '--bug', bugs, ...args);
  for (const each of words) expect(text).toMatch(each);
  expect(code).toBe(1);
});

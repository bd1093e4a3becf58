/**
 * How long the store holds the event loop, at full load: each uninterrupted stretch of store work on the main thread is
 * timed at the SQLite driver (see `timedDriver`). Beside it stands the delay of the loop as Node sees it, which also holds
 * handlers, the load generator and garbage collection.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Latencies } from './latencies.js';
import { accountName, Load } from './load.js';
import { ENTITY_TYPE, REFERENCE, Refused } from './messages.js';
import { type Figures, inFreshFolder, type RunContext, throughput } from './run.js';
import { timedDriver } from './sqlite-driver.js';
import { openSubject } from './subject.js';

const ACCOUNTS = 1_000;
const WINDOW = 8_192;
const CALLERS = 256;
/** Dead letters that the command line lists and replays while the store is at work. */
const LETTERS = 2_000;
const NANOS_PER_MS = 1_000_000;

export async function runEventLoop(context: RunContext): Promise<Figures[]> {
  const { timings } = context;
  await phase(context, 'warm', timings.warmUpMs);
  const runs: Figures[] = [];
  for (let run = 0; run < timings.runs; run += 1) {
    let figures: Figures = {};
    for (const name of ['commit', 'fsync', 'cli'] as const) {
      figures = { ...figures, ...(await phase(context, name, timings.closedMs)) };
    }
    runs.push(figures);
  }
  return runs;
}

async function phase(
  context: RunContext,
  name: 'warm' | 'commit' | 'fsync' | 'cli',
  durationMs: number,
): Promise<Figures> {
  const cli = cliPath();
  if (name === 'cli' && cli === undefined) return {};
  return inFreshFolder(context.folder, async (folder) => {
    const stretches = new Latencies();
    const durability = name === 'fsync' ? 'fsync' : 'commit';
    const subject = await openSubject({ folder, durability, entities: ACCOUNTS, driver: timedDriver(stretches) });
    if (name === 'cli') {
      const dying = Array.from(
        { length: LETTERS },
        (_, index) => new Refused(accountName(index % ACCOUNTS), REFERENCE),
      );
      await subject.queueBus.enqueueBulk(dying);
      await subject.node.whenIdle();
    }
    const load = new Load(subject, ACCOUNTS);
    const before = stretches.count;
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const commands = name === 'cli' ? workOnStore(cli as string, join(folder, 'bench.db')) : undefined;
    const result = await (name === 'fsync' ? load.callers(CALLERS, durationMs) : load.flood(WINDOW, durationMs));
    delay.disable();
    const worked = await commands?.stop();
    await subject.stop();
    if (worked?.failure !== undefined) {
      // Without the command at work this would be a figure for something else.
      console.error(`  not measured with the CLI at work: ${worked.failure}`);
      return {};
    }
    return {
      [`${name}PerSecond`]: throughput(result),
      [`${name}Stretches`]: stretches.count - before,
      [`${name}HeldP50Ms`]: stretches.percentileMs(50),
      [`${name}HeldP99Ms`]: stretches.percentileMs(99),
      [`${name}HeldP999Ms`]: stretches.percentileMs(99.9),
      [`${name}HeldMaxMs`]: stretches.maxMs,
      [`${name}LoopDelayP999Ms`]: delay.percentile(99.9) / NANOS_PER_MS,
      ...(worked !== undefined && { cliCommands: worked.commands }),
    };
  });
}

/** The command of the built package, found through the package itself; undefined while it has none. */
function cliPath(): string | undefined {
  const path = join(dirname(fileURLToPath(import.meta.resolve('atomic-queues/core'))), 'cli', 'main.js');
  return existsSync(path) ? path : undefined;
}

interface Worked {
  readonly commands: number;
  readonly failure: string | undefined;
}

/** Lists dead letters and replays all of them, again and again, in processes of their own. */
function workOnStore(cli: string, store: string): { stop(): Promise<Worked> } {
  let over = false;
  let done = 0;
  const filters = ['--path', store, '--entity-type', ENTITY_TYPE, '--json'];
  const work = async (): Promise<void> => {
    while (!over) {
      await command([cli, 'dlq', 'list', ...filters]);
      done += 1;
      if (over) break;
      await command([cli, 'dlq', 'replay', ...filters]);
      done += 1;
    }
  };
  let failure: string | undefined;
  const working = work().catch((error: Error) => {
    failure = error.message;
  });
  return {
    stop: async () => {
      over = true;
      await working;
      return { commands: done, failure };
    },
  };
}

function command(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', (piece: Buffer) => {
      complaint += piece.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${args.slice(1).join(' ')} ended with exit code ${code}: ${complaint}`));
    });
  });
}

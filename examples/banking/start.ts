/** `npm start`: starts the service, measures both sides, prints what came out, and serves on until it is stopped. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { measure } from './measure.js';
import { type Options, parseOptions } from './options.js';
import { makeReport, meaning, table, thingsToTry } from './report.js';
import { PortInUseError, startService } from './service.js';

const EXIT_INTEGRITY_NOT_PROVEN = 1;

async function main(options: Options): Promise<void> {
  const folder = dataFolder(options.keep);
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  // The service itself ends with exit code 0, but a measurement that was cut off has proven nothing.
  if (options.once) stopping.signal.addEventListener('abort', () => process.once('exit', exitUnproven));
  // Until the service listens for signals, nothing has been begun that would have to be ended.
  const exitAtOnce = (): never => process.exit();
  stopping.signal.addEventListener('abort', exitAtOnce);
  const storePath = join(folder, 'queues.db');
  const service = await startService(
    { storePath, databaseFolder: options.keep ? join(folder, 'accounts') : undefined },
    options.port,
  );
  stopping.signal.removeEventListener('abort', exitAtOnce);
  try {
    progress(`The service listens on ${service.url}.`);
    progress(`CommandBus: ${options.seconds} s of load on /naive/accounts …`);
    const naive = await measure(service, 'naive', options.seconds, stopping.signal);
    progress(`QueueBus: ${options.seconds} s of load on /queued/accounts …`);
    const queued = await measure(service, 'queued', options.seconds, stopping.signal);
    const report = makeReport(options.seconds, naive, queued);
    if (!options.json) console.log(`\n${table(report)}\n\n${meaning(report)}\n`);
    if (options.once) {
      if (!queued.kept) exitUnproven();
      await service.app.close();
      if (options.json) console.log(JSON.stringify(report));
    } else {
      console.log(thingsToTry(service.url, storePath));
    }
  } catch (error) {
    // A measurement that was cut off by a signal has nothing to say; the service is closing already.
    if (stopping.signal.aborted) return;
    await service.app.close();
    throw error;
  }
}

function exitUnproven(): void {
  process.exitCode = EXIT_INTEGRITY_NOT_PROVEN;
}

/** Fresh and removed at the end, unless the data is to be kept. */
function dataFolder(keep: boolean): string {
  if (keep) {
    const kept = fileURLToPath(new URL('../.data', import.meta.url));
    mkdirSync(kept, { recursive: true });
    return kept;
  }
  const folder = mkdtempSync(join(tmpdir(), 'atomic-queues-banking-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** To stderr: stdout belongs to the figures. */
function progress(line: string): void {
  console.error(line);
}

try {
  await main(parseOptions(process.argv));
} catch (error) {
  console.error(error instanceof PortInUseError ? error.message : error);
  process.exit(1);
}

/** How far a long replay or purge is, on stderr. */
import { Presets, SingleBar } from 'cli-progress';
import type { ConsoleIo } from './console-io.js';

export interface ProgressBar {
  update(done: number): void;
  stop(): void;
}

export const NO_BAR: ProgressBar = { update: () => {}, stop: () => {} };
/** Where the output is no terminal, a line is written this often. */
const LINE_EVERY_MS = 1_000;

export function progressBar(io: ConsoleIo, what: string, total: number, asked: boolean): ProgressBar {
  if (total === 0 || !(asked || io.stderr.isTTY === true)) return NO_BAR;
  const bar = new SingleBar(
    {
      format: `${what} {bar} {percentage}% | {value} of {total} | {eta_formatted} left`,
      stream: io.stderr,
      noTTYOutput: true,
      notTTYSchedule: LINE_EVERY_MS,
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  return {
    update: (done) => bar.update(Math.min(done, total)),
    stop: () => bar.stop(),
  };
}

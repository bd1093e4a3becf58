/** The first judge: the history checker of the library. */
import { join } from 'node:path';
import type { EntityConfig } from '../../../src/runtime/config.js';
import { checkHistory } from '../../../src/testing/history-checker.js';
import { readHistoryFile } from '../../../src/testing/history-log.js';
import { explain } from '../../../src/testing/history-report.js';
import type { EntityTypeRules } from '../../../src/testing/history-tracks.js';
import { ENTITIES } from './plan.js';

export function judgeHistory(folder: string): {
  readonly violations: readonly string[];
  readonly commands: number;
  readonly starts: number;
} {
  const entityTypes: Record<string, Partial<EntityTypeRules>> = {};
  for (const [type, config] of Object.entries<EntityConfig>(ENTITIES)) {
    entityTypes[type] = {
      maxAttempts: config.retry?.maxAttempts ?? 1,
      onInterrupt: config.onInterrupt ?? 'dead-letter',
      dispatchAhead: config.dispatchAhead ?? 1,
      queries: config.queries ?? 'volatile',
    };
  }
  const report = checkHistory(readHistoryFile(join(folder, 'history.jsonl')), { entityTypes, violationsMax: 1_000 });
  const { commands, starts } = report.counts;
  const clean = report.ok && report.notes.length === 0;
  return { violations: clean ? [] : [explain(report)], commands, starts };
}

/**
 * The process that measures one scenario, so that no scenario inherits the heap or the compiled code of another. Told what
 * to do by a message, answers with one.
 */

import { runActorMillion } from './actors/million.js';
import { runResidentBytes } from './actors/resident-bytes.js';
import { runEventLoop } from './event-loop.js';
import { runIdleMillion } from './idle-million.js';
import { loadScenarios, runLoadScenario } from './load-scenarios.js';
import { buildBacklog, drainBacklog } from './recovery-child.js';
import { runReminders } from './reminders.js';
import { type Figures, InvalidRow, NotMeasured, type RunContext } from './run.js';
import { runQuerySerial, runReplySerial } from './serial-scenarios.js';
import { runValidation } from './validation.js';

export interface Task extends RunContext {
  readonly name: string;
}

export type Answer =
  | { readonly figures: readonly Figures[] }
  | { readonly notMeasured: string }
  | { readonly invalid: string }
  | { readonly failed: string };

const others: Readonly<Record<string, (context: RunContext) => Promise<Figures[]>>> = {
  'reply-serial': runReplySerial,
  'query-serial': runQuerySerial,
  validation: runValidation,
  'actor-million': runActorMillion,
  'actor-resident-bytes': runResidentBytes,
  'idle-million': runIdleMillion,
  reminders: runReminders,
  'event-loop': runEventLoop,
  'recovery-build': buildBacklog,
  'recovery-drain': drainBacklog,
};

async function perform(task: Task): Promise<Figures[]> {
  // Loaded only where it is measured: what the peers bring along would be in the other scenarios' memory.
  if (task.name.includes('@')) return (await import('./redis/row.js')).measureRow(task.name, task);
  const scenario = loadScenarios[task.name];
  if (scenario !== undefined) return runLoadScenario(scenario, task);
  const run = others[task.name];
  if (run === undefined) throw new Error(`There is no scenario "${task.name}".`);
  return run(task);
}

function answer(message: Answer): void {
  process.send?.(message, () => process.exit(0));
}

function fail(error: unknown): void {
  if (error instanceof NotMeasured) answer({ notMeasured: error.message });
  else if (error instanceof InvalidRow) answer({ invalid: error.message });
  else answer({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

process.once('unhandledRejection', fail);
process.once('disconnect', () => process.exit(1));
process.once('message', (task: Task) => {
  void perform(task).then((figures) => answer({ figures }), fail);
});

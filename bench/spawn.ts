/** Starts the processes that measure. Their stderr is this process's; their answer comes over the channel. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer, Task } from './child.js';
import { type Figures, InvalidRow, NotMeasured } from './run.js';

const childPath = fileURLToPath(new URL('./child.js', import.meta.url));

interface ChildEnd {
  readonly answer: Answer | undefined;
  readonly signal: NodeJS.Signals | null;
}

function runChild(task: Task): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    const profile = process.env['BENCH_CPU_PROF'];
    const child = fork(childPath, [], {
      execArgv: ['--expose-gc', ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`])],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    let answer: Answer | undefined;
    child.on('message', (message: Answer) => {
      answer = message;
    });
    child.once('error', reject);
    child.once('close', (_code, signal) => resolve({ answer, signal }));
    child.send(task);
  });
}

export async function measureInChild(task: Task): Promise<readonly Figures[]> {
  const { answer, signal } = await runChild(task);
  if (answer === undefined)
    throw new Error(`The process of ${task.name} ended without an answer (${signal ?? 'exit'}).`);
  if ('failed' in answer) throw new Error(answer.failed);
  if ('invalid' in answer) throw new InvalidRow(answer.invalid);
  if ('notMeasured' in answer) throw new NotMeasured(answer.notMeasured);
  return answer.figures;
}

/** For a child whose job ends with its own SIGKILL. */
export async function runToKill(task: Task): Promise<void> {
  const { answer, signal } = await runChild(task);
  if (signal === 'SIGKILL') return;
  throw new Error(
    `${task.name} should have ended by SIGKILL${answer !== undefined && 'failed' in answer ? `: ${answer.failed}` : ''}.`,
  );
}

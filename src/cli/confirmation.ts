/** Asks before something that cannot be taken back. The question goes to stderr, so that stdout stays the result. */
import { createInterface } from 'node:readline';
import { type ConsoleIo, NotDoneError, UsageError } from './console-io.js';

const LETTERS_REFUSED =
  'This would remove every dead letter for good. Add --yes if that is what you want, or choose letters with --id or a filter.';

/**
 * Throws unless the user says yes; without a terminal nobody could, so `--yes` must have been given.
 * @param refusal what is said then.
 */
export async function confirm(io: ConsoleIo, question: string, refusal: string = LETTERS_REFUSED): Promise<void> {
  if (io.stdin.isTTY !== true || io.stderr.isTTY !== true) throw new UsageError(refusal);
  const lines = createInterface({ input: io.stdin, output: io.stderr });
  const answer = await new Promise<string>((resolve) => {
    lines.once('close', () => resolve(''));
    lines.once('SIGINT', () => lines.close());
    lines.question(`${question} [y/N] `, resolve);
  });
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new NotDoneError('Nothing was removed.');
}

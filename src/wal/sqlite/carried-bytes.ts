/** About how much a commit writes: what decides when the log is looked at. */
import type { Completion, Transition } from '../transition.js';
import type { CommitRequest } from '../wal.js';

/** About what a row takes besides its payload. */
export const ROW_BYTES = 256;

export function carriedBytes({ transitions }: CommitRequest): number {
  let bytes = 0;
  for (const transition of transitions) {
    bytes += ROW_BYTES;
    if (transition.type === 'append') bytes += transition.message.payload.length;
    const completion = completionOf(transition);
    if (completion !== undefined) bytes += (completion.state?.length ?? 0) + (completion.reply?.length ?? 0);
  }
  return bytes;
}

function completionOf(transition: Transition): Completion | undefined {
  if (transition.type === 'append') return transition.completes;
  return transition.type === 'complete' ? transition : undefined;
}

/** About how much a commit writes: what decides when the log is looked at. */
import type { CommitRequest } from '../wal.js';

/** About what a row takes besides its payload. */
export const ROW_BYTES = 256;

export function carriedBytes({ transitions }: CommitRequest): number {
  let bytes = 0;
  for (const transition of transitions) {
    bytes += ROW_BYTES;
    if (transition.type === 'append') bytes += transition.message.payload.length;
    else if (transition.type === 'complete') bytes += (transition.state?.length ?? 0) + (transition.reply?.length ?? 0);
  }
  return bytes;
}

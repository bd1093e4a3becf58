/**
 * What a line may hold, by its format. A shard's lines never go back to an older one, and nothing that stands in them is
 * rewritten for a newer one: a reader of a format reads all before it, mixed in one line.
 *
 * - 1: each message has a field in `head` and one in `body`.
 * - 2: a small body stands in its head, behind a line break, which no JSON text of a head has.
 */
import type { Body } from './records.js';

/** The format of a store that says nothing, and of lines that any version can read. */
export const LINE_FORMAT_MIN = 1;
/** The newest format that this version reads and writes. */
export const LINE_FORMAT_MAX = 2;
/** A larger body stands apart in any format, so that a look at many heads stays cheap. Characters, about. */
export const INLINE_CHARACTERS_MAX = 512;

/** Whether a new message's body is to stand in its head. Counts what its text has, without making the text. */
export function standsInHead({ payload, headers, replayOf, recurrence, lastRunId }: Body, lineFormat: number): boolean {
  if (lineFormat < 2) return false;
  let size = payload.length;
  if (headers !== undefined)
    for (const [name, value] of Object.entries(headers)) size += name.length + value.length + 6;
  size += (replayOf?.length ?? 0) + (recurrence?.length ?? 0) + (lastRunId?.length ?? 0);
  return size <= INLINE_CHARACTERS_MAX;
}

/** The number in a field of `meta`; an absent one means the first format. NaN for what is no number. */
export function lineFormatOf(text: string | null | undefined): number {
  return text === null || text === undefined ? LINE_FORMAT_MIN : Number(text);
}

/** Finding what an id or an idempotency key names, wherever it is. */
import type { Envelope } from '../../message/envelope.js';
import type { DeadLetter, Outcome, Verdict } from '../transition.js';
import { type IdPlaces, type SplitId, splitId } from './ids.js';
import { toText } from './text.js';
import type { Work } from './work.js';

/** The outcome for a message that the shard knows already, by its `messageId` first, then by its id. */
export function findDuplicate(work: Work, envelope: Envelope, split: SplitId): Outcome | undefined {
  const { entityType, entityId, id, messageId } = envelope;
  if (messageId !== undefined) {
    const first = work.records.idOfMessageId(entityType, entityId, messageId);
    const known = first === undefined ? undefined : findKnown(work, first, find(work, first));
    if (known !== undefined) return known;
  }
  if (work.ids.takeNew(split, work.numbers.next_seq)) return undefined;
  const found = find(work, id, split);
  const byId = findKnown(work, id, found);
  if (byId !== undefined || found.letter === null) return byId;
  const letter = work.records.letter(found.letter);
  if (letter === undefined) return undefined;
  return {
    type: 'duplicate',
    id,
    verdict: { state: letter.reason, ...(letter.error !== undefined && { error: letter.error }) },
  };
}

function findKnown(work: Work, id: string, found: IdPlaces): Outcome | undefined {
  if (found.seq !== null || found.delayed !== null) return { type: 'duplicate', id };
  const kept = found.verdict === null ? undefined : work.records.verdict(found.verdict);
  if (kept === undefined) return undefined;
  if (kept.expires_at > work.now) return { type: 'duplicate', id, verdict: JSON.parse(kept.verdict) as Verdict };
  work.records.forgetVerdict(work.numbers, kept);
  return undefined;
}

export function find(work: Work, id: string, split: SplitId = splitId(id)): IdPlaces {
  const pointers = work.ids.pointers(split);
  const { n } = split;
  const inPlace = n > 0 && n < work.numbers.next_seq && work.line.row(n)?.id === toText(id);
  const { seq = null, delayed = null, letter = null, verdict = null } = pointers ?? {};
  return { seq: inPlace ? n : seq, delayed, letter, verdict };
}

export function findLetter(work: Work, id: string): DeadLetter | undefined {
  const number = work.ids.pointers(splitId(id))?.letter ?? null;
  return number === null ? undefined : work.records.letter(number);
}

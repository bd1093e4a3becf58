/** Forgetting kept verdicts, those whose time ends first. */
import { type KeptTime, Miss } from './facts.js';
import { forgetVerdict } from './line-moves.js';
import type { Work } from './work.js';

/** Forgets this many verdicts, if there are so many. Returns how many. */
export function forgetOldest(work: Work, count: number): number {
  const first = firstKept(work, count);
  prefetch(work, first);
  for (const { order } of first) forgetVerdict(work, order);
  return first.length;
}

/** The verdicts whose time ends first, those of this commit included, in that order. */
function firstKept(work: Work, count: number): readonly KeptTime[] {
  let removed = 0;
  const found: KeptTime[] = [];
  for (const [order, at] of work.kept) {
    if (at === undefined) removed += 1;
    else found.push({ order, at });
  }
  for (const kept of work.facts.oldestKept(removed + count)) if (!work.kept.has(kept.order)) found.push(kept);
  return found.sort((left, right) => left.at - right.at || left.order - right.order).slice(0, count);
}

/** Looks at all that forgetting them needs, so that it is fetched together. */
function prefetch(work: Work, kept: readonly KeptTime[]): void {
  let missed: Miss | undefined;
  const look = (act: () => unknown): void => {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Miss)) throw error;
      missed = error;
    }
  };
  for (const { order } of kept) {
    look(() => {
      const verdict = work.verdicts.get(order);
      if (verdict === undefined) return;
      const { id, messageKey } = verdict;
      look(() => work.pointers.get(id));
      if (messageKey !== undefined) look(() => work.messageIds.get(messageKey));
    });
  }
  if (missed !== undefined) throw missed;
}

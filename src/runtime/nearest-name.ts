/** Finds what someone probably meant when a name is not known. Used for unknown options, types and message names. */
import { distance } from 'fastest-levenshtein';

/**
 * The candidate closest to `name`, letter case ignored; undefined when none is close enough to be a likely slip: at
 * most a third of the letters may differ, and never more than four.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.min(4, Math.max(1, Math.floor(wanted.length / 3))) + 1;
  for (const candidate of candidates) {
    const found = distance(wanted, candidate.toLowerCase());
    if (found < bestDistance) {
      best = candidate;
      bestDistance = found;
    }
  }
  return best;
}

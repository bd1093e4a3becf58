/** The order in which formatters put exports: signs, then numbers by their value, then letters as in A a B b. */

const SIGNS = '_-$';

export function compareNaturally(left: string, right: string): number {
  const [one, other] = [parts(left), parts(right)];
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    const [a = '', b = ''] = [one[at], other[at]];
    if (a === b) continue;
    const [rankA, rankB] = [rank(a), rank(b)];
    if (rankA !== rankB) return rankA - rankB;
    // Two numbers: the one with more digits is larger, also where these are zeros.
    return a.length - b.length || (a < b ? -1 : 1);
  }
  return one.length - other.length;
}

function parts(text: string): string[] {
  return text.match(/\d+|\D/g) ?? [];
}

function rank(part: string): number {
  if (/^\d/.test(part)) return SIGNS.length;
  const sign = SIGNS.indexOf(part);
  if (sign !== -1) return sign;
  const lower = part.toLowerCase();
  return SIGNS.length + 1 + 2 * lower.charCodeAt(0) + (part === lower ? 1 : 0);
}

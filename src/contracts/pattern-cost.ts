/**
 * How long a regular expression may take at most, told from its text: patterns come from other services, and one can be
 * written that keeps the process busy for years. A backtracking matcher tries at most `2^choices · length^degree` ways,
 * where each unbounded repetition of one character adds one to the degree, and alternatives and optional parts are choices.
 * What this reader does not know counts as too expensive; then the pattern is left to the service that owns it.
 */

const PATTERN_LENGTH_MAX = 1_024;
/** Ways that a match may try, as a power of two: some milliseconds. */
const BITS_MAX = 20;
/** `{0,16}` of one character is a choice; with more it counts as unbounded. */
const CHOICES_OF_ONE_MAX = 16;
const GROUP_REPEATS_MAX = 8;
const NESTING_MAX = 16;

interface Cost {
  /** Base-2 logarithm of the ways to choose. */
  readonly bits: number;
  /** Unbounded repetitions in a row. */
  readonly degree: number;
}

export interface CheapPattern {
  readonly regex: RegExp;
  /** Longer texts are not looked at. */
  readonly lengthMax: number;
}

/** Undefined when the pattern is not valid, or might take long. */
export function cheapPattern(pattern: string): CheapPattern | undefined {
  if (pattern.length > PATTERN_LENGTH_MAX) return undefined;
  let regex: RegExp;
  try {
    regex = new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
  const reader = new PatternReader(pattern);
  const cost = reader.alternatives(0);
  if (cost === undefined || !reader.isAtEnd) return undefined;
  // Without an anchor the match begins at every place.
  const degree = cost.degree + (pattern.startsWith('^') ? 0 : 1);
  if (cost.bits > BITS_MAX) return undefined;
  return { regex, lengthMax: degree === 0 ? Number.POSITIVE_INFINITY : 2 ** ((BITS_MAX - cost.bits) / degree) };
}

const NOTHING: Cost = { bits: 0, degree: 0 };

class PatternReader {
  private at = 0;

  constructor(private readonly text: string) {}

  get isAtEnd(): boolean {
    return this.at >= this.text.length;
  }

  /** Up to the end or a closing parenthesis. */
  alternatives(nesting: number): Cost | undefined {
    if (nesting > NESTING_MAX) return undefined;
    let total = this.sequence(nesting);
    let count = 1;
    while (total !== undefined && this.peek === '|') {
      this.at += 1;
      const next = this.sequence(nesting);
      if (next === undefined) return undefined;
      count += 1;
      total = { bits: Math.max(total.bits, next.bits), degree: Math.max(total.degree, next.degree) };
    }
    return total === undefined || count === 1 ? total : { ...total, bits: total.bits + Math.log2(count) };
  }

  private sequence(nesting: number): Cost | undefined {
    let total: Cost | undefined = NOTHING;
    while (total !== undefined && !this.isAtEnd && this.peek !== '|' && this.peek !== ')') {
      const part = this.part(nesting);
      total = part === undefined ? undefined : plus(total, part);
    }
    return total;
  }

  private part(nesting: number): Cost | undefined {
    if (this.peek === '(') {
      const inner = this.group(nesting);
      return inner === undefined ? undefined : this.repeated(inner, true);
    }
    return this.atom() ? this.repeated(NOTHING, false) : undefined;
  }

  private group(nesting: number): Cost | undefined {
    this.at += 1;
    if (this.peek === '?') {
      // Looking ahead or behind, and names, are not read.
      if (this.text[this.at + 1] !== ':') return undefined;
      this.at += 2;
    }
    const inner = this.alternatives(nesting + 1);
    if (inner === undefined || this.peek !== ')') return undefined;
    this.at += 1;
    return inner;
  }

  /** One character, class or anchor. False for what refers back. */
  private atom(): boolean {
    const char = this.peek;
    if (char === '[') {
      for (this.at += 1; this.peek !== ']'; this.at += this.peek === '\\' ? 2 : 1) if (this.isAtEnd) return false;
      this.at += 1;
      return true;
    }
    if (char === '\\') {
      const escaped = this.text[this.at + 1] ?? '';
      if (/[1-9k]/.test(escaped)) return false;
      this.at += 2;
      if (/[pPu]/.test(escaped) && this.peek === '{') this.at = this.text.indexOf('}', this.at) + 1;
      else if (escaped === 'u') this.at += 4;
      else if (escaped === 'x') this.at += 2;
      return true;
    }
    this.at += 1;
    return char !== undefined;
  }

  private repeated(inner: Cost, isGroup: boolean): Cost | undefined {
    const range = this.quantifier();
    if (range === undefined) return inner;
    const [min, max] = range;
    if (this.peek === '?') this.at += 1;
    const choices = max - min + 1;
    if (!isGroup) {
      if (choices > CHOICES_OF_ONE_MAX) return { bits: 0, degree: 1 };
      return { bits: Math.log2(choices), degree: 0 };
    }
    if (max <= 1) return { ...inner, bits: inner.bits + Math.log2(choices) };
    if (max > GROUP_REPEATS_MAX || inner.degree > 0) return undefined;
    // Also without anything to choose, each pass is work: empty groups can be repeated in one another.
    return { bits: inner.bits * max + Math.log2(choices) + Math.log2(max), degree: 0 };
  }

  private quantifier(): readonly [min: number, max: number] | undefined {
    const unbounded = Number.MAX_SAFE_INTEGER;
    const simple = { '*': [0, unbounded], '+': [1, unbounded], '?': [0, 1] } as const;
    const char = this.peek;
    if (char === '*' || char === '+' || char === '?') {
      this.at += 1;
      return simple[char];
    }
    const counted = /^\{(\d+)(,(\d*))?\}/.exec(this.text.slice(this.at, this.at + 24));
    if (counted === null) return undefined;
    this.at += counted[0].length;
    const min = Number(counted[1]);
    if (counted[2] === undefined) return [min, min];
    return [min, counted[3] === '' ? unbounded : Number(counted[3])];
  }

  private get peek(): string | undefined {
    return this.text[this.at];
  }
}

function plus(one: Cost, other: Cost): Cost {
  return { bits: one.bits + other.bits, degree: one.degree + other.degree };
}

/** Chance from a seed: the same numbers for the same seed (mulberry32). */

export class Chance {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  below(limit) {
    return Math.floor(this.next() * limit);
  }

  between(from, to) {
    return from + this.below(to - from + 1);
  }

  happens(share) {
    return this.next() < share;
  }

  pick(choices) {
    return choices[this.below(choices.length)];
  }

  /** The same things in another order. */
  shuffled(things) {
    const left = [...things];
    const result = [];
    while (left.length > 0) result.push(...left.splice(this.below(left.length), 1));
    return result;
  }
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

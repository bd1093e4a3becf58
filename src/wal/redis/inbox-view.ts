/** What the owner of a shard knows of its inbox without looking. */
import type { Inbox } from './commit-answer.js';
import { type InboxEntry, type InboxRules, readEntry, type ShownEntry } from './offers.js';

/** As a script shows it: entity types of the shard, its oldest offers, and how many offers there are. */
export type ShownInbox = readonly [types: readonly string[], offers: readonly ShownEntry[], count: number];

export class InboxView {
  /** Offers that the last commit's answer showed. Only this owner takes any out, so they are still the first. */
  #shown: Inbox | undefined;
  /** Texts with which the inbox is said to begin. */
  #hinted: readonly string[] | undefined;
  /** Entity types that the shard has at least. */
  #types: ReadonlySet<string> = new Set();

  constructor(private readonly rules: InboxRules) {}

  /** The last commit's answer showed this. */
  keep(shown: ShownInbox): void {
    this.#shown = this.of(shown);
  }

  /** The inbox is said to begin with these. */
  hear(offers: readonly string[]): void {
    this.#hinted = offers;
  }

  /** What the next commit may begin with: of use once, since that changes it. */
  take(): Inbox | undefined {
    const inbox = this.#shown ?? this.#heard();
    this.#shown = undefined;
    this.#hinted = undefined;
    return inbox;
  }

  of([types, offers, count]: ShownInbox): Inbox {
    this.#types = new Set(types.filter((type) => type !== ''));
    return { types: this.#types, entries: this.#entriesOf(offers), left: count - offers.length };
  }

  /** What a hint says, unless there is something that only a look can tell. */
  #heard(): Inbox | undefined {
    if (this.#hinted === undefined) return undefined;
    const types = this.#types;
    const entries = this.#entriesOf(this.#hinted);
    const isKnown = ({ offer }: InboxEntry): boolean =>
      offer !== undefined && (offer.transition.type !== 'append' || types.has(offer.transition.message.entityType));
    return entries.every(isKnown) ? { types, entries, left: 0, isHearsay: true } : undefined;
  }

  #entriesOf(offers: readonly ShownEntry[]): readonly InboxEntry[] {
    return offers.map((entry) => readEntry(entry, this.rules));
  }
}

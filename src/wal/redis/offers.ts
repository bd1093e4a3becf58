/**
 * What stands in the inbox: JSON texts that anyone may push. The library's own are `{session, number, transition}`; any
 * other language pushes the message itself (`docs/protocol.md`). What cannot be taken in is told with its reason.
 */
import { copyOffer } from '../offered-transition.js';
import { IllegalTransitionError, type Offer } from '../wal.js';
import { plainOffer } from './plain-message.js';
import { polledId } from './polled-replies.js';

/** Characters of an unusable offer that are kept. */
const TEXT_KEPT = 4_096;

export type InboxEntry =
  | { readonly offer: Offer; readonly text: string }
  | {
      readonly offer: undefined;
      readonly text: string;
      readonly reason: string;
      /** The id under which its sender looks for an answer. */
      readonly polledId?: string | undefined;
    };

/** An entry as `peek` shows it. One that is too long comes as its length and its beginning. */
export type ShownEntry = string | readonly [length: string, beginning: string];

export interface InboxRules {
  /** Of one entry. */
  readonly bytesMax: number;
  /** Whose inbox it is. */
  readonly shard: number;
  /** Slices of each service group. */
  readonly slices: number;
  /** Makes an id for a message that came without one. */
  readonly newId: () => string;
}

export function readEntry(shown: ShownEntry, rules: InboxRules): InboxEntry {
  if (typeof shown !== 'string') {
    const [length, beginning] = shown;
    const reason = `too large: ${length} bytes, and ${rules.bytesMax} are allowed`;
    return { offer: undefined, text: beginning, reason };
  }
  let value: unknown;
  try {
    value = JSON.parse(shown);
  } catch {
    return { offer: undefined, text: shown, reason: 'not JSON' };
  }
  try {
    const isOwn = typeof value === 'object' && value !== null && 'transition' in value;
    return { offer: isOwn ? copyOffer(value as Offer) : plainOffer(value, rules), text: shown };
  } catch (error) {
    if (!(error instanceof IllegalTransitionError)) throw error;
    return { offer: undefined, text: shown, reason: error.message, polledId: polledId(value) };
  }
}

export function quarantineText(text: string, reason: string, at: number): string {
  return JSON.stringify({ text: text.slice(0, TEXT_KEPT), reason, at });
}

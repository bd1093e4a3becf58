/**
 * What stands in the inbox: JSON texts that anyone may push. The library's own are `{session, number, transition}`; any
 * other language pushes the message itself (`docs/protocol.md`). What cannot be taken in is told with its reason.
 */
import type { Envelope } from '../../message/envelope.js';
import { copyOffer } from '../offered-transition.js';
import { IllegalTransitionError, type Offer } from '../wal.js';

/** Characters of an unusable offer that are kept. */
const TEXT_KEPT = 4_096;

export type InboxEntry =
  | { readonly offer: Offer; readonly text: string }
  | { readonly offer: undefined; readonly text: string; readonly reason: string };

/** An entry as `peek` shows it. One that is too long comes as its length and its beginning. */
export type ShownEntry = string | readonly [length: string, beginning: string];

/** @param newId makes an id for a message that came without one. */
export function readEntry(shown: ShownEntry, bytesMax: number, newId: () => string): InboxEntry {
  if (typeof shown !== 'string') {
    const [length, beginning] = shown;
    return { offer: undefined, text: beginning, reason: `too large: ${length} bytes, and ${bytesMax} are allowed` };
  }
  let value: unknown;
  try {
    value = JSON.parse(shown);
  } catch {
    return { offer: undefined, text: shown, reason: 'not JSON' };
  }
  try {
    return { offer: offerOf(value, newId), text: shown };
  } catch (error) {
    if (error instanceof IllegalTransitionError) return { offer: undefined, text: shown, reason: error.message };
    throw error;
  }
}

export function quarantineText(text: string, reason: string, at: number): string {
  return JSON.stringify({ text: text.slice(0, TEXT_KEPT), reason, at });
}

function offerOf(value: unknown, newId: () => string): Offer {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('it is no object');
  if ('transition' in value) return copyOffer(value as Offer);
  const { delayMs, expiresInMs, payload, id, kind, ...message } = value as Record<string, unknown>;
  const envelope = {
    ...message,
    id: id ?? newId(),
    kind: kind ?? 'command',
    payload: payloadText(payload),
  } as unknown as Envelope;
  const transition = {
    type: 'append',
    message: envelope,
    ...(delayMs !== undefined && { delayMs: delayMs as number }),
    ...(expiresInMs !== undefined && { expiresInMs: expiresInMs as number }),
  } as const;
  // A message of its own has no session: nothing but its id tells whether it is there already.
  return { ...copyOffer({ session: '-', number: 0, transition }), session: '' };
}

/** A payload that is text already must be JSON; any other is written as JSON. */
function payloadText(payload: unknown): string {
  if (payload === undefined) throw refused('it has no payload');
  if (typeof payload !== 'string') return JSON.stringify(payload);
  try {
    JSON.parse(payload);
  } catch {
    throw refused('its payload is a text that is not JSON');
  }
  return payload;
}

function refused(why: string): IllegalTransitionError {
  return new IllegalTransitionError(`Unusable offer: ${why}.`);
}

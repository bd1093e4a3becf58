/** What a commit makes of the offers that it takes in: messages and the like, or entries of the quarantine with a reason. */
import type { OfferedTransition, TakenOffer } from '../wal.js';
import { type InboxEntry, quarantineText } from './offers.js';
import { noteDuplicate, noteRefused, polledId } from './polled-replies.js';
import { applyTransition } from './transitions.js';
import type { Work } from './work.js';

/** Letters of the cluster's id that begin every id of a message. */
const CLUSTER_LETTERS = 8;

/** What becomes of one entry; undefined when it went to the quarantine. */
export function takeOffer(
  work: Work,
  entry: InboxEntry,
  types: ReadonlySet<string> | undefined,
  begin: (transition: OfferedTransition) => OfferedTransition,
): TakenOffer | undefined {
  const { offer, text } = entry;
  if (offer === undefined) return refuse(work, text, entry.reason, entry.polledId);
  const { session, number, transition } = offer;
  if (session !== '') work.take(session, number);
  if (
    transition.type === 'append' &&
    types !== undefined &&
    types.size > 0 &&
    !types.has(transition.message.entityType)
  ) {
    const { entityType } = transition.message;
    return refuse(work, text, `unknown entity type "${entityType}"`, polledId(transition.message));
  }
  // The session's mark has let this number in once, and the id says so: nothing in the store can have it.
  if (transition.type === 'append' && isOfSession(transition.message.id, session))
    work.idOfOffer = transition.message.id;
  const outcome = applyTransition(work, begin(transition));
  work.idOfOffer = undefined;
  if (outcome.type === 'queued' || outcome.type === 'unblocked') return { offer, outcome, message: outcome.message };
  if (outcome.type === 'duplicate' && transition.type === 'append') noteDuplicate(work, transition.message, outcome);
  if (outcome.type !== 'appended') return { offer, outcome };
  const held = work.held(outcome.seq);
  return held === undefined ? { offer, outcome } : { offer, outcome, message: work.message(held) };
}

function refuse(work: Work, text: string, reason: string, waiting: string | undefined): undefined {
  work.quarantined.push(quarantineText(text, reason, work.now));
  if (waiting !== undefined) noteRefused(work, waiting, reason);
  return undefined;
}

/** Whether the id was made by the session's own sender: `<cluster>-<session>.<n>`, each n once. */
function isOfSession(id: string, session: string): boolean {
  return session !== '' && id.indexOf(`-${session}.`) === CLUSTER_LETTERS;
}

/**
 * The pure state machine of a shard, and the specification of every store: what `wal.ts` and `transition.ts` say in
 * words, these functions decide. Deterministic, no I/O, no ambient time or chance: `now` is the store's wall time.
 *
 * They change the state in place. Each is all or nothing: when it throws, the state is as it was.
 */
import { copyOffer } from './offered-transition.js';
import { beginChange, forgetOldestVerdicts, type ShardChange, setEntry, undoChange } from './shard-change.js';
import type { ShardState } from './shard-data.js';
import { compactNumbered } from './shard-lists.js';
import { readOpened } from './shard-reads.js';
import { applyTransition } from './shard-transitions.js';
import type { Outcome, StoredMessage, Transition } from './transition.js';
import {
  type CommitAnswer,
  CommitNumberError,
  IllegalTransitionError,
  OFFERS_TAKEN_MAX,
  type Offer,
  type OpenedShard,
  type RetentionOptions,
  StaleEpochError,
  type TakenOffer,
} from './wal.js';

export { emptyShard, type ShardState } from './shard-data.js';

/** Who speaks: an owner, by what it was given when it opened the shard. */
export interface OwnerClaim {
  readonly epoch: number;
  readonly incarnation: string;
}

export interface ShardCommit extends OwnerClaim {
  readonly number: number;
  readonly transitions: readonly Transition[];
}

/**
 * Gives the shard to a new owner. `epochMin` is for stores that must jump further than one (I6); the epoch always grows.
 */
export function openShard(state: ShardState, incarnation: string, epochMin = 0): OpenedShard {
  const clean = state.incarnation === undefined;
  state.epoch = Math.max(state.epoch + 1, epochMin);
  state.incarnation = incarnation;
  state.commitNumber = 0;
  state.lastAnswer = undefined;
  return { ...readOpened(state), clean };
}

/** The shard has no owner from here on. Ignored when the claim is stale. */
export function releaseShard(state: ShardState, claim: OwnerClaim): void {
  if (isStale(state, claim)) return;
  state.incarnation = undefined;
  state.lastAnswer = undefined;
}

/**
 * Applies a batch: first the offers that are in the inbox, then the owner's transitions, in order.
 * Throws `StaleEpochError`, `CommitNumberError` or `IllegalTransitionError`.
 */
export function applyCommit(
  state: ShardState,
  commit: ShardCommit,
  now: number,
  retention: RetentionOptions,
): CommitAnswer {
  checkOwner(state, commit);
  if (commit.number === state.commitNumber && state.lastAnswer !== undefined) return state.lastAnswer;
  if (commit.number !== state.commitNumber + 1) {
    throw new CommitNumberError(
      `Shard ${state.shard}: commit number ${commit.number} does not follow ${state.commitNumber}; the owner must open the shard anew.`,
    );
  }
  const change = beginChange(state, now, retention);
  try {
    const taken = takeOffers(change);
    const outcomes: Outcome[] = [];
    for (const transition of commit.transitions) outcomes.push(applyTransition(change, transition));
    forgetOldestVerdicts(change, () => state.verdicts.size > retention.verdictsMax);
    compactNumbered(state.line);
    compactNumbered(state.letters);
    state.commitNumber = commit.number;
    state.lastAnswer = { outcomes, taken, now, nextSeq: state.numbers.nextSeq };
    return state.lastAnswer;
  } catch (error) {
    undoChange(change);
    throw error;
  }
}

/**
 * Takes offers into the inbox, those that are new. A gap in a session's numbers or an illegal transition throws
 * `IllegalTransitionError` and takes in none of them.
 */
export function applyOffers(state: ShardState, offers: readonly Offer[]): void {
  const offered = new Map<string, number>();
  const fresh: Offer[] = [];
  for (const offer of offers.map(copyOffer)) {
    const mark = offered.get(offer.session) ?? state.offered.get(offer.session) ?? 0;
    if (offer.number <= mark) continue;
    if (offer.number !== mark + 1) {
      throw new IllegalTransitionError(
        `Shard ${state.shard}: offer ${offer.number} of session ${offer.session} does not follow ${mark}; the numbers of a session have no gaps.`,
      );
    }
    offered.set(offer.session, offer.number);
    fresh.push(offer);
  }
  if (fresh.length === 0) return;
  for (const [session, number] of offered) state.offered.set(session, number);
  state.inbox = state.inbox.concat(fresh);
}

/** Forgets verdicts whose time is up, at most `limit`; returns how many. Throws `StaleEpochError`. */
export function cleanupShard(
  state: ShardState,
  claim: OwnerClaim,
  now: number,
  limit: number,
  retention: RetentionOptions,
): number {
  checkOwner(state, claim);
  const change = beginChange(state, now, retention);
  return forgetOldestVerdicts(change, (time, forgotten) => time.at <= now && forgotten < limit);
}

/** Moves the oldest offers from the inbox into the line. */
export function takeOffers(change: ShardChange): TakenOffer[] {
  const { state } = change;
  const { inbox } = state;
  if (inbox.length === 0) return [];
  state.inbox = inbox.slice(OFFERS_TAKEN_MAX);
  change.undo.push(() => void (state.inbox = inbox));
  return inbox.slice(0, OFFERS_TAKEN_MAX).map((offer) => {
    setEntry(change, state.taken, offer.session, offer.number);
    const outcome = applyTransition(change, offer.transition);
    const message = messageOf(state, outcome);
    return { offer, outcome, ...(message !== undefined && { message }) };
  });
}

/** The message that an offer has just put in line. */
function messageOf(state: ShardState, outcome: Outcome): StoredMessage | undefined {
  if (outcome.type === 'appended') return state.line.entries.get(outcome.seq);
  return outcome.type === 'queued' ? outcome.message : undefined;
}

function checkOwner(state: ShardState, claim: OwnerClaim): void {
  if (isStale(state, claim)) throw new StaleEpochError(state.shard, claim.epoch, state.epoch);
}

function isStale(state: ShardState, claim: OwnerClaim): boolean {
  return state.incarnation === undefined || claim.epoch !== state.epoch || claim.incarnation !== state.incarnation;
}

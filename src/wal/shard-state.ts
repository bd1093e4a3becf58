/**
 * The pure state machine of a shard, and the specification of every store: what `wal.ts` and `transition.ts` say in
 * words, these functions decide. Deterministic, no I/O, no ambient time or chance: `now` is the store's wall time.
 *
 * They change the state in place. Each is all or nothing: when it throws, the state is as it was.
 */
import { type EntityKey, entityKey } from '../message/entity-key.js';
import { copyOffer } from './offered-transition.js';
import {
  beginChange,
  forgetExpiredStates,
  forgetOldestVerdicts,
  type ShardChange,
  setEntry,
  undoChange,
} from './shard-change.js';
import type { ShardState } from './shard-data.js';
import { compactNumbered } from './shard-lists.js';
import { readOpened, readSign } from './shard-reads.js';
import { applyTransition } from './shard-transitions.js';
import { type OpenClaim, ShardFullError, ShardHeldError } from './shared-wal.js';
import type { Outcome, StoredMessage, Transition } from './transition.js';
import {
  type CommitAnswer,
  CommitNumberError,
  type CommitRequest,
  IllegalTransitionError,
  OFFERS_TAKEN_MAX,
  type Offer,
  type OfferedTransition,
  type OfferLimits,
  type OpenedShard,
  type RetentionOptions,
  type ShardRules,
  StaleEpochError,
  type TakenOffer,
} from './wal.js';

export { emptyShard, type ShardState } from './shard-data.js';

const DEFERRED: Outcome = { type: 'deferred' };

/** Who speaks: an owner, by what it was given when it opened the shard. */
export interface OwnerClaim {
  readonly epoch: number;
  readonly incarnation: string;
}

export interface ShardCommit extends OwnerClaim {
  readonly number: number;
  readonly transitions: readonly Transition[];
  readonly startsAtOnce?: CommitRequest['startsAtOnce'];
  readonly runsUnmarked?: CommitRequest['runsUnmarked'];
}

/**
 * Gives the shard to a new owner. `epochMin` is for stores that must jump further than one (I6); the epoch always grows.
 * With a claim: throws `ShardHeldError` unless the shard is free, its own, or silent (M6).
 */
export function openShard(state: ShardState, incarnation: string, epochMin = 0, claim?: OpenClaim): OpenedShard {
  if (claim !== undefined && state.incarnation !== undefined && state.incarnation !== incarnation) {
    const { silent } = claim;
    const isSilent =
      silent?.epoch === state.epoch && silent.incarnation === state.incarnation && silent.beat === state.beat;
    if (!isSilent) throw new ShardHeldError(state.shard, readSign(state));
  }
  const clean = state.incarnation === undefined;
  state.epoch = Math.max(state.epoch + 1, epochMin, (claim?.epochSeen ?? 0) + 1);
  state.incarnation = incarnation;
  state.node = claim?.node ?? '';
  state.beat += 1;
  state.openings += 1;
  state.commitNumber = 0;
  state.lastAnswer = undefined;
  return { ...readOpened(state), clean };
}

/** The shard has no owner from here on. Ignored when the claim is stale. */
export function releaseShard(state: ShardState, claim: OwnerClaim): void {
  if (isStale(state, claim)) return;
  state.incarnation = undefined;
  state.node = '';
  state.beat += 1;
  state.openings = 0;
  state.lastAnswer = undefined;
}

/** A sign of life of the owner. Throws `StaleEpochError`. */
export function renewShard(state: ShardState, claim: OwnerClaim, survived = false): void {
  checkOwner(state, claim);
  state.beat += 1;
  if (survived) state.openings = 0;
}

/**
 * Applies a batch: first the offers that are in the inbox, then the owner's transitions, in order.
 * Throws `StaleEpochError`, `CommitNumberError` or `IllegalTransitionError`.
 */
export function applyCommit(state: ShardState, commit: ShardCommit, now: number, retention: ShardRules): CommitAnswer {
  checkOwner(state, commit);
  if (commit.number === state.commitNumber && state.lastAnswer !== undefined) return state.lastAnswer;
  if (commit.number !== state.commitNumber + 1) {
    throw new CommitNumberError(
      `Shard ${state.shard}: commit number ${commit.number} does not follow ${state.commitNumber}; the owner must open the shard anew.`,
    );
  }
  const change = beginChange(state, now, retention, commit.runsUnmarked);
  try {
    const quarantinedBefore = state.quarantined.length;
    const taken = takeOffers(change, commit.startsAtOnce);
    const quarantined = state.quarantined.length - quarantinedBefore;
    const outcomes: Outcome[] = [];
    const defers = retention.defersAppends === true && state.inbox.length > 0;
    for (const transition of commit.transitions)
      outcomes.push(defers && transition.type === 'append' ? DEFERRED : applyTransition(change, transition));
    forgetOldestVerdicts(change, () => state.verdicts.size > retention.verdictsMax);
    compactNumbered(state.line);
    compactNumbered(state.letters);
    state.commitNumber = commit.number;
    state.beat += 1;
    const { nextSeq } = state.numbers;
    state.lastAnswer = { outcomes, taken, now, nextSeq, ...(quarantined > 0 && { quarantined }) };
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
export function applyOffers(state: ShardState, offers: readonly Offer[], limits?: OfferLimits): void {
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
  const depthMax = limits?.depthMax ?? 0;
  if (depthMax > 0) {
    const appends = fresh.filter((offer) => offer.transition.type === 'append').length;
    const depth = state.line.entries.size + state.delayed.size + state.inbox.length;
    if (appends > 0 && depth + appends > depthMax) throw new ShardFullError(state.shard, depth, depthMax);
  }
  for (const [session, number] of offered) state.offered.set(session, number);
  state.inbox = state.inbox.concat(fresh);
}

/** Forgets verdicts and actor states whose time is up, at most `limit` of each; returns how many. Throws `StaleEpochError`. */
export function cleanupShard(
  state: ShardState,
  claim: OwnerClaim,
  now: number,
  limit: number,
  retention: RetentionOptions,
): number {
  checkOwner(state, claim);
  const change = beginChange(state, now, retention);
  const verdicts = forgetOldestVerdicts(change, (time, forgotten) => time.at <= now && forgotten < limit);
  return verdicts + forgetExpiredStates(change, limit);
}

/** Moves the oldest offers from the inbox into the line. */
export function takeOffers(change: ShardChange, startsAtOnce?: CommitRequest['startsAtOnce']): TakenOffer[] {
  const { state } = change;
  const { inbox } = state;
  if (inbox.length === 0) return [];
  const takenMax = change.retention.offersTakenMax ?? OFFERS_TAKEN_MAX;
  state.inbox = inbox.slice(takenMax);
  change.undo.push(() => void (state.inbox = inbox));
  const taken: TakenOffer[] = [];
  const started = new Set<EntityKey>();
  const offers = inbox.slice(0, takenMax);
  const withdrawn = withdrawnBy(offers.map((offer) => offer.transition));
  for (const offer of offers) {
    setEntry(change, state.taken, offer.session, offer.number);
    if (isForeign(state, offer)) {
      quarantine(change, offer);
      continue;
    }
    const outcome = applyTransition(change, atOnce(offer.transition, startsAtOnce, started, withdrawn));
    const message = messageOf(state, outcome);
    taken.push({ offer, outcome, ...(message !== undefined && { message }) });
  }
  return taken;
}

/** Ids of messages that are taken in together with the wish to withdraw them: they must not start before it is met. */
export function withdrawnBy(transitions: Iterable<OfferedTransition>): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const transition of transitions) if (transition.type === 'cancel') ids.add(transition.id);
  return ids;
}

/** The offered append with a dispatch, where the owner would start it at once and no other of its entity starts here. */
export function atOnce(
  transition: OfferedTransition,
  startsAtOnce: CommitRequest['startsAtOnce'],
  started: Set<EntityKey>,
  withdrawn: ReadonlySet<string>,
): OfferedTransition {
  if (startsAtOnce === undefined || transition.type !== 'append') return transition;
  const { message, delayMs, runAt } = transition;
  if (withdrawn.has(message.id)) return transition;
  const key = entityKey(message.entityType, message.entityId);
  if ((delayMs ?? 0) > 0 || runAt !== undefined || started.has(key) || !startsAtOnce(message)) return transition;
  started.add(key);
  return { ...transition, dispatch: true };
}

/** A message of a type that no node of this shard's group has ever known. */
function isForeign({ allowedTypes }: ShardState, { transition }: Offer): boolean {
  return transition.type === 'append' && allowedTypes.size > 0 && !allowedTypes.has(transition.message.entityType);
}

function quarantine(change: ShardChange, offer: Offer): void {
  const { quarantined } = change.state;
  const { transition } = offer;
  const type = transition.type === 'append' ? transition.message.entityType : '';
  quarantined.push({ text: JSON.stringify(offer), reason: `unknown entity type "${type}"`, at: change.now });
  change.undo.push(() => quarantined.pop());
}

/** The message that an offer has just put in line. */
function messageOf(state: ShardState, outcome: Outcome): StoredMessage | undefined {
  if (outcome.type === 'appended') return state.line.entries.get(outcome.seq);
  return outcome.type === 'queued' || outcome.type === 'unblocked' ? outcome.message : undefined;
}

function checkOwner(state: ShardState, claim: OwnerClaim): void {
  if (isStale(state, claim)) throw new StaleEpochError(state.shard, claim.epoch, state.epoch);
}

function isStale(state: ShardState, claim: OwnerClaim): boolean {
  return state.incarnation === undefined || claim.epoch !== state.epoch || claim.incarnation !== state.incarnation;
}

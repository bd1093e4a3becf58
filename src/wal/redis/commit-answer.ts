/** What a commit answers, and all that it changes on the way: offers first, then the owner's transitions. No I/O. */
import type { EntityKey } from '../../message/entity-key.js';
import { atOnce, withdrawnBy } from '../shard-state.js';
import type { Outcome } from '../transition.js';
import {
  type CommitAnswer,
  type CommitRequest,
  IllegalTransitionError,
  type OfferedTransition,
  type TakenOffer,
} from '../wal.js';
import { Miss } from './facts.js';
import { forgetOldest } from './kept-verdicts.js';
import type { InboxEntry } from './offers.js';
import { takeOffer } from './taken-offers.js';
import { applyTransition } from './transitions.js';
import type { Work } from './work.js';

const DEFERRED: Outcome = { type: 'deferred' };

/** What a look into the inbox showed. */
export interface Inbox {
  readonly types: ReadonlySet<string>;
  readonly entries: readonly InboxEntry[];
  /** Offers that wait behind these. */
  readonly left: number;
  /** It was not looked at: a hint told of it. */
  readonly isHearsay?: boolean | undefined;
}

/** Takes the offers in, then applies the owner's transitions; collects all misses of one run. */
export function answerTo(
  work: Work,
  { transitions, startsAtOnce, runsUnmarked }: Pick<CommitRequest, 'transitions' | 'startsAtOnce' | 'runsUnmarked'>,
  inbox: Inbox | undefined,
): CommitAnswer {
  const defers = (inbox?.left ?? 0) > 0;
  work.leavesOffers = defers;
  work.runsUnmarked = runsUnmarked;
  let missed: Miss | undefined;
  const tried = <T>(act: () => T): T | undefined => {
    try {
      return act();
    } catch (error) {
      if (error instanceof Miss) missed = error;
      // After a miss the state is not what it would be, and what fails may be the consequence.
      else if (missed === undefined || !(error instanceof IllegalTransitionError)) throw error;
      return undefined;
    }
  };
  const taken: TakenOffer[] = [];
  const started = new Set<EntityKey>();
  const offered = (inbox?.entries ?? []).flatMap(({ offer }) => (offer === undefined ? [] : [offer.transition]));
  const withdrawn = withdrawnBy(offered);
  const begin = (transition: OfferedTransition): OfferedTransition =>
    atOnce(transition, startsAtOnce, started, withdrawn);
  for (const entry of inbox?.entries ?? []) {
    tried(() => {
      const found = takeOffer(work, entry, inbox?.types, begin);
      if (found !== undefined) taken.push(found);
    });
  }
  const quarantined = work.quarantined.length;
  const outcomes: Outcome[] = [];
  for (const transition of transitions) {
    const outcome = defers && transition.type === 'append' ? DEFERRED : tried(() => applyTransition(work, transition));
    if (outcome !== undefined) outcomes.push(outcome);
  }
  const extra = work.numbers.verdicts - work.retention.verdictsMax;
  if (extra > 0) tried(() => forgetOldest(work, extra));
  if (missed !== undefined) throw missed;
  const { now } = work;
  return { outcomes, taken, now, nextSeq: work.numbers.nextSeq, ...(quarantined > 0 && { quarantined }) };
}

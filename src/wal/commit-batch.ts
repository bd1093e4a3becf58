/**
 * What a group commit is made of: transitions with those who want to hear of them, what each costs, and what is done with
 * a batch that could not be committed. Pure, but for telling participants.
 */
import type { Completion, Outcome, Transition } from './transition.js';
import { CommitNumberError, StaleEpochError, StoreUnavailableError } from './wal.js';

export interface Participant {
  /** The transition is in a commit that begins now: it stays as it is (M1). */
  sealed?(): void;
  /** The commit with this transition is durable. */
  committed(outcome: Outcome, transition: Transition, now: number): void;
  /** Only for appends, and for anything when the shard is lost: it was not and will not be applied. */
  refused(error: Error, transition: Transition): void;
}

export interface Batch {
  readonly transitions: Transition[];
  readonly participants: Participant[];
  /** As `groupEnds`, relative to the batch. */
  readonly groups: readonly Group[];
}

export interface Group {
  readonly start: number;
  readonly end: number;
}

/** What a transition costs beside a plain one: those that write dead letters or look for ids take 25 to 60 µs on SQLite. */
const HEAVY_WEIGHT = 24;
const KEPT_WEIGHT = 4;
/**
 * So many characters of content weigh as much as a plain transition: a commit of long ones would hold the store for long (M3;
 * 64 MiB hold Redis for 0.8 s). With the 512 that a commit weighs at most, its content is about 2 MiB.
 */
const CHARACTERS_PER_WEIGHT_LOG2 = 12;

/** What callers ask for, as against what the owner itself found out about its messages. */
export const FROM_CALLERS: ReadonlySet<Transition['type']> = new Set([
  'append',
  'cancel',
  'replay',
  'purge',
  'pause',
  'resume',
  'unblock',
  'skip',
]);

/** Neither lost nor unavailable: the store's own code failed on what it was given, and rolled back. */
export function isUnusable(error: Error): boolean {
  return !(
    error instanceof StoreUnavailableError ||
    error instanceof StaleEpochError ||
    error instanceof CommitNumberError
  );
}

export function moved(groups: readonly Group[], by: number): Group[] {
  return groups.map(({ start, end }) => ({ start: start + by, end: end + by }));
}

export function weightOf(transition: Transition): number {
  switch (transition.type) {
    case 'dispatch':
    case 'relayed':
      return 1;
    case 'append': {
      const { completes } = transition;
      return weightOfAppend(transition) + (completes === undefined ? 0 : weightOfCompletion(completes));
    }
    case 'complete':
      return weightOfCompletion(transition);
    default:
      return HEAVY_WEIGHT;
  }
}

function weightOfCompletion({ keepVerdict, reply, state, outgoing }: Completion): number {
  let weight = keepVerdict === true || reply !== undefined ? KEPT_WEIGHT : 1;
  weight += (reply?.length ?? 0) >> CHARACTERS_PER_WEIGHT_LOG2;
  weight += (state?.length ?? 0) >> CHARACTERS_PER_WEIGHT_LOG2;
  if (outgoing === undefined) return weight;
  return outgoing.reduce((sum, { append }) => sum + Math.max(KEPT_WEIGHT, weightOfAppend(append)), weight);
}

function weightOfAppend({
  message,
  delayMs,
}: Pick<Extract<Transition, { readonly type: 'append' }>, 'message' | 'delayMs'>): number {
  const plain = message.messageId === undefined && delayMs === undefined ? 1 : KEPT_WEIGHT;
  return plain + (message.payload.length >> CHARACTERS_PER_WEIGHT_LOG2);
}

export function refuseAll(
  batch: {
    readonly transitions: readonly Transition[];
    readonly participants: readonly Participant[];
  },
  error: Error,
): void {
  batch.participants.forEach((participant, index) => {
    participant.refused(error, batch.transitions[index] as Transition);
  });
}

/** The transitions of all batches in order, without appends: those are refused. */
export function withoutAppends(batches: readonly Batch[], error: Error): Batch {
  const kept: Batch = { transitions: [], participants: [], groups: [] };
  for (const { transitions, participants } of batches) {
    transitions.forEach((transition, index) => {
      const participant = participants[index] as Participant;
      if (transition.type === 'append') participant.refused(error, transition);
      else {
        kept.transitions.push(transition);
        kept.participants.push(participant);
      }
    });
  }
  return kept;
}

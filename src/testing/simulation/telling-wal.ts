/**
 * The store of the simulated cluster, which like the scripts of a real one says itself what it has made durable, a round
 * trip before its caller could: that a shard was offered something, and how a message ended that someone elsewhere waits
 * for. Whatever it says may be lost.
 */
import type { TransportMessage } from '../../cluster/transport/transport.js';
import { MemoryWal, type MemoryWalOptions } from '../../wal/memory/memory-wal.js';
import { areFew, toldOf } from '../../wal/redis/hints.js';
import { isPolled } from '../../wal/redis/polled-replies.js';
import type { ShardState } from '../../wal/shard-state.js';
import type { StoredMessage, Verdict } from '../../wal/transition.js';
import type { CommitAnswer, CommitRequest, Offer, OfferLimits } from '../../wal/wal.js';

export interface TellingWalOptions extends MemoryWalOptions {
  /** Publishes to the node of this address, or to all (`*`). */
  readonly tell: (to: string, message: TransportMessage) => void;
}

export class TellingWal extends MemoryWal {
  private readonly tell: TellingWalOptions['tell'];

  constructor(options: TellingWalOptions) {
    super(options);
    this.tell = options.tell;
  }

  override async offer(shard: number, offers: readonly Offer[], limits?: OfferLimits): Promise<void> {
    const state = this.store.shard(shard);
    const { inbox } = state;
    const offered = super.offer(shard, offers, limits);
    // Those that were there already change nothing.
    if (state.inbox !== inbox) this.tell(limits?.owner ?? '*', { type: 'wake', shard });
    await offered;
  }

  /** Nothing else happens between the look before and the one after: a commit is applied in the call. */
  override async commit(request: CommitRequest): Promise<CommitAnswer> {
    const state = this.store.shard(request.shard);
    const waiting = waitingIn(state, request);
    const answered = super.commit(request);
    // While more is to be done, the owner tells it afterwards with what other commits ended.
    const ended = state.line.entries.size === 0 ? [...waiting].filter(({ id }) => !state.places.has(id)) : [];
    const answer = await answered;
    const waiters = ended.flatMap(({ id, replyTo }) => {
      const verdict = verdictOf(state, id);
      return verdict === undefined ? [] : [{ id, replyTo, verdict }];
    });
    if (!areFew(waiters)) return answer;
    for (const { id, replyTo, verdict } of waiters) this.tell(replyTo, { type: 'verdict', id, verdict });
    return { ...answer, told: toldOf(waiters) };
  }
}

type Waiting = Pick<StoredMessage, 'id'> & { readonly replyTo: string };

/** Messages that this commit may end and that someone waits for. */
function waitingIn(state: ShardState, { transitions }: CommitRequest): readonly Waiting[] {
  const waiting: Waiting[] = [];
  const untold = new Set<number>();
  for (const transition of transitions)
    if (transition.type === 'complete' && transition.untold === true) untold.add(transition.seq);
  const add = ({ id, replyTo }: Pick<StoredMessage, 'id' | 'replyTo'>): void => {
    // One that has ended before is offered again under its id: that is the owner's to answer.
    const hasEnded = state.verdicts.has(id) || state.letterNumbers.has(id);
    if (replyTo !== undefined && !isPolled(replyTo) && !hasEnded) waiting.push({ id, replyTo });
  };
  for (const [seq, message] of state.line.entries) if (!untold.has(seq)) add(message);
  for (const { message } of state.delayed.values()) add(message);
  const arriving = [...state.inbox.map(({ transition }) => transition), ...transitions];
  for (const transition of arriving) if (transition.type === 'append') add(transition.message);
  return waiting;
}

function verdictOf(state: ShardState, id: string): Verdict | undefined {
  const number = state.letterNumbers.get(id);
  const letter = number === undefined ? undefined : state.letters.entries.get(number);
  if (letter === undefined) return state.verdicts.get(id)?.verdict;
  return { state: letter.reason, ...(letter.error !== undefined && { error: letter.error }) };
}

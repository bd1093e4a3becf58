/**
 * A shard as its owner changes it: works commits out in this process and has the server apply them, fenced by epoch,
 * incarnation and commit number. One at a time.
 *
 * Invariant: `memory` is what the store holds after commit `number`. A try whose answer was lost is kept until the store
 * tells whether it was applied (M1): its tag, stored with the commit, says which of several tries it was.
 */
import type { Transition } from '../transition.js';
import {
  type CommitAnswer,
  CommitNumberError,
  type CommitRequest,
  IllegalTransitionError,
  StaleEpochError,
  StoreUnavailableError,
} from '../wal.js';
import { answerTo, type Inbox } from './commit-answer.js';
import { type CommitHow, commitArguments } from './commit-arguments.js';
import { redisError } from './errors.js';
import { evidenceOfCommit } from './evidence.js';
import { Facts, Miss } from './facts.js';
import { type Forgettable, findForgettable, forget } from './forgetting.js';
import { areFew, toldOf, verdictTexts } from './hints.js';
import { InboxView, type ShownInbox } from './inbox-view.js';
import type { ClusterChannels, ShardKeys } from './keys.js';
import type { OwnerMemory } from './memory.js';
import type { ShownEntry } from './offers.js';
import { PEEK_BYTES_MAX } from './options.js';
import type { Held } from './records.js';
import { runScript, SCRIPTS } from './scripts.js';
import { forgetSessions, noteUntimed } from './sessions.js';
import type { ShardContext } from './shard-context.js';
import { Work } from './work.js';
import { Writes } from './writes.js';

/** How far the guess of the server's time may be off, milliseconds; doubled with each refusal. */
const CLOCK_TOLERANCE_MS = 500;
const NO_FACTS_ROUNDS_MAX = 50;

interface Claim {
  readonly shard: number;
  readonly epoch: number;
  readonly incarnation: string;
}

/** A commit as it was worked out and sent. */
interface Try {
  readonly tag: string;
  readonly work: Work;
  readonly answer: CommitAnswer;
  /** Where its script tells verdicts; undefined: the owner does. */
  readonly tellsOn: ClusterChannels | undefined;
}

export class OwnedShard {
  #number: number;
  #lastAnswer: CommitAnswer | undefined;
  #lastTag = '';
  /** Tries of commit `#number + 1` whose answers were lost. */
  #lost: Try[] = [];
  #tags = 0;
  #madeIds = 0;
  readonly #inbox: InboxView;
  /** Where the search for sessions without times goes on. */
  #untimed = '0';
  #turn: Promise<unknown> = Promise.resolve();
  #turns = 0;
  #turnsEnded = 0;

  constructor(
    readonly claim: Claim,
    private readonly context: ShardContext,
    private readonly keys: ShardKeys,
    private readonly memory: OwnerMemory,
    number: number,
  ) {
    this.#number = number;
    this.#inbox = new InboxView({
      bytesMax: context.offerBytesMax,
      shard: claim.shard,
      slices: context.slices,
      newId: () => {
        this.#madeIds += 1;
        // With the commit's number, because another life of this store object may have counted from 1, too.
        return `${memory.idPrefix}o.${(this.#number + 1).toString(36)}.${this.#madeIds.toString(36)}`;
      },
    });
  }

  get number(): number {
    return this.#number;
  }

  isOf({ epoch, incarnation }: Pick<Claim, 'epoch' | 'incarnation'>): boolean {
    return epoch === this.claim.epoch && incarnation === this.claim.incarnation;
  }

  commit(request: CommitRequest): Promise<CommitAnswer> {
    return this.#inTurn(() => this.#commit(request));
  }

  cleanup(limit: number): Promise<number> {
    return this.#inTurn(() => this.#cleanup(limit));
  }

  /** The inbox is said to begin with these. */
  hinted(offers: readonly string[]): void {
    this.#inbox.hear(offers);
  }

  /** A mark of now, if nothing is under way, for `remember`. */
  mark(): number | undefined {
    return this.#turns === this.#turnsEnded ? this.#turns : undefined;
  }

  /** Keeps messages that were read since the mark, unless something changed meanwhile. */
  remember(mark: number | undefined, messages: readonly Held[]): void {
    if (mark === this.#turns && mark === this.#turnsEnded) this.memory.remember(messages);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    this.#turns += 1;
    const turn = this.#turns === this.#turnsEnded + 1 ? act() : this.#turn.then(act);
    // First of all that waits for the turn, so that whoever goes on finds it ended.
    this.#turn = turn.then(this.#turnEnded, this.#turnEnded);
    return turn;
  }

  readonly #turnEnded = (): void => {
    this.#turnsEnded += 1;
  };

  async #commit(request: CommitRequest): Promise<CommitAnswer> {
    const settled = this.#follows(request.number) ? undefined : await this.#settle(request.number);
    if (settled !== undefined) return settled;
    const { transitions } = request;
    const startsOwn = transitions.some((transition) => transition.type === 'append' && transition.dispatch === true);
    // What is taken in from the inbox leaves it, so that only new messages need more memory than there is.
    const grows = transitions.some(({ type }) => type === 'append');
    const joins = grows || transitions.some((transition) => sendsTo(transition, this.claim.shard));
    let toleranceMs = CLOCK_TOLERANCE_MS;
    // An append must not overtake what was offered since the last look; without one, that can wait for the next commit (M2).
    let inbox = this.#inbox.take();
    let mayLeave = inbox !== undefined && !joins;
    let hasLooked = false;
    const facts = new Facts();
    for (;;) {
      const act = (work: Work): CommitAnswer => answerTo(work, request, inbox);
      const tracksLines = startsOwn || (request.startsAtOnce !== undefined && inbox !== undefined);
      let work: Try | 'settled';
      try {
        const worked = this.#workOut(facts, request.number, act, tracksLines);
        work = worked instanceof Promise ? await worked : worked;
      } catch (error) {
        if (!(error instanceof IllegalTransitionError)) throw error;
        await this.#checkFence(request.number);
        // What is impossible now may be what follows on an offer that was not looked at yet.
        if (hasLooked) throw error;
        inbox = await this.#peek();
        hasLooked = true;
        mayLeave = true;
        continue;
      }
      if (work === 'settled') return this.#lastAnswer as CommitAnswer;
      const reply = await this.#send(work, { inbox, mayLeave, grows, toleranceMs });
      switch (reply[0]) {
        case 0:
          if (reply[5] !== undefined)
            this.#inbox.keep([reply[4] as string[], reply[5] as ShownEntry[], Number(reply[3])]);
          this.#applied(work);
          if (this.context.proven !== undefined) await this.#proven();
          return {
            ...work.answer,
            offersLeft: Number(reply[3]),
            ...(work.tellsOn !== undefined && { told: toldOf(work.work.waiters) }),
          };
        case 1:
          throw this.#stale(reply[1]);
        case 2:
          return this.#elsewhere(request.number, Number(reply[1]), String(reply[2]));
        case 3:
          inbox = this.#inbox.of([reply[1] as string[], reply[2] as ShownEntry[], Number(reply[3])]);
          hasLooked = true;
          mayLeave = true;
          break;
        default:
          toleranceMs *= 2;
      }
    }
  }

  /** Whether a commit with this number is simply the next one. */
  #follows(number: number): boolean {
    return number === this.#number + 1 && this.#lost.length === 0;
  }

  /** What a repeated or misnumbered commit gets, and what became of tries whose answers were lost; undefined: go on. */
  async #settle(number: number): Promise<CommitAnswer | undefined> {
    if (this.#follows(number)) return undefined;
    const [epoch, incarnation, stored, tag] = await this.#fence();
    if (epoch !== String(this.claim.epoch) || incarnation !== this.claim.incarnation) throw this.#stale(epoch);
    if (this.#lost.length > 0 && Number(stored) === this.#number + 1) {
      const applied = this.#lost.find((lost) => lost.tag === tag);
      if (applied !== undefined) {
        this.#applied(applied);
        await this.#proven();
      }
    }
    if (number === this.#number && Number(stored) === number && this.#lastAnswer !== undefined) {
      await this.#proven();
      return this.#lastAnswer;
    }
    if (number === this.#number + 1 && Number(stored) === this.#number) return undefined;
    throw this.#misnumbered(number, Number(stored));
  }

  /** Whether the shard is still this owner's and where it knows it to be. */
  async #checkFence(number: number): Promise<void> {
    const [epoch, incarnation, stored] = await this.#fence();
    if (epoch !== String(this.claim.epoch) || incarnation !== this.claim.incarnation) throw this.#stale(epoch);
    if (Number(stored) !== this.#number) throw this.#misnumbered(number, Number(stored));
  }

  /** Another number is stored than this owner knows: one of its lost tries came through after all, or the store went back. */
  async #elsewhere(number: number, stored: number, tag: string): Promise<CommitAnswer> {
    const applied = stored === number ? this.#lost.find((lost) => lost.tag === tag) : undefined;
    if (applied === undefined) throw this.#misnumbered(number, stored);
    this.#applied(applied);
    await this.#proven();
    return applied.answer;
  }

  /** Of the last commit that was applied. */
  async #proven(): Promise<void> {
    await this.context.proven?.(evidenceOfCommit(this.keys, this.claim, this.#number, this.#lastTag));
  }

  #applied({ work, answer, tag }: Pick<Try, 'work' | 'answer' | 'tag'>): void {
    this.#number += 1;
    this.#lastAnswer = answer;
    this.#lastTag = tag;
    this.#lost = [];
    this.memory.take(work);
  }

  /** Runs the transitions; at once when all that they ask for is known, as it mostly is. */
  #workOut(
    facts: Facts,
    number: number,
    act: (work: Work) => CommitAnswer,
    tracksLines: boolean,
  ): Try | Promise<Try | 'settled'> {
    try {
      return this.#try(facts, act, tracksLines);
    } catch (error) {
      return this.#workOutAfter(error, facts, number, () => this.#try(facts, act, tracksLines));
    }
  }

  /** Fetches what was missed and tries again, until nothing is missing. */
  async #workOutAfter(failed: unknown, facts: Facts, number: number, again: () => Try): Promise<Try | 'settled'> {
    let error = failed;
    for (let round = 0; ; round++) {
      if (!(error instanceof Miss)) {
        // What is stored may be the result of this very commit, sent before; or the next owner's, and no fault of this one's.
        if (this.#lost.length === 0) await this.#checkFence(number);
        else if ((await this.#settle(number)) !== undefined) return 'settled';
        throw error;
      }
      if (round === NO_FACTS_ROUNDS_MAX)
        throw new Error(`Shard ${this.claim.shard}: what a commit needs could not be gathered.`);
      await this.#ask(() => facts.fetch(this.context.client, this.keys));
      try {
        return again();
      } catch (next) {
        error = next;
      }
    }
  }

  #try(facts: Facts, act: (work: Work) => CommitAnswer, tracksLines: boolean): Try {
    const { memory, context } = this;
    const lineFormat = Math.max(memory.lineFormat, context.lineFormat());
    const work = new Work({ memory, facts, now: context.now(), retention: context.rules, tracksLines, lineFormat });
    const answer = act(work);
    this.#tags += 1;
    return { tag: `${this.#tags}`, work, answer, tellsOn: this.#tellsOn(work) };
  }

  async #send(attempt: Try, how: CommitHow): Promise<readonly unknown[]> {
    const { work, tag, tellsOn } = attempt;
    const { context, claim } = this;
    const writes = Writes.of(work, this.keys, how.inbox?.entries.length ?? 0);
    if (tellsOn !== undefined) writes.publish(verdictTexts(work.waiters, tellsOn));
    const { epoch, incarnation } = claim;
    const next = { epoch, incarnation, after: this.#number, number: this.#number + 1, tag, work, writes, how };
    const args = commitArguments(context, next);
    const sentAt = context.serverTime?.monotonic() ?? 0;
    try {
      const call = runScript(context.client, SCRIPTS.commit, writes.keys, args);
      // Those that only look are left out: most are an idle owner's, which is to sleep.
      if (!writes.isEmpty) context.busyPoll?.follow(call);
      const reply = (await call) as unknown[];
      if (reply[0] === 0) context.serverTime?.learn(Number(reply[2]), sentAt);
      else if (reply[0] === 4) context.serverTime?.learn(Number(reply[1]), sentAt);
      return reply;
    } catch (error) {
      const told = redisError(error, true);
      if (!(told instanceof StoreUnavailableError && told.applied === 'no')) this.#lost.push(attempt);
      throw told;
    }
  }

  /**
   * Where a commit tells its verdicts itself. While more is to be done here, the owner tells them afterwards, together with
   * what other commits ended: fewer messages for everyone, and then nobody notices the round trip.
   */
  #tellsOn(work: Work): ClusterChannels | undefined {
    return work.numbers.inLine === 0 && areFew(work.waiters) ? this.context.tellsOn() : undefined;
  }

  async #cleanup(limit: number): Promise<number> {
    await this.#settle(this.#number + 1);
    const { claim, context, keys } = this;
    const now = context.now();
    const [found, [epoch, incarnation, , tag]] = await Promise.all([
      this.#ask(() => findForgettable(context, keys, now, limit)),
      this.#fence(),
    ]);
    if (epoch !== String(claim.epoch) || incarnation !== claim.incarnation) throw this.#stale(epoch);
    const forgotten = found.isEmpty ? 0 : await this.#forget(found, now, tag ?? '');
    this.#untimed = await this.#ask(() => noteUntimed(context.client, keys, this.#untimed, now), true);
    if (found.sessions.sessions.length > 0) {
      const told = await this.#ask(() => forgetSessions(context.client, keys, claim, found.sessions, now), true);
      if ('stale' in told) throw this.#stale(told.stale);
    }
    return forgotten;
  }

  /** A commit of its own that counts as none. */
  async #forget(found: Forgettable, now: number, tag: string): Promise<number> {
    let forgotten = 0;
    const made = await this.#workOut(
      new Facts(),
      this.#number,
      (work) => {
        forgotten = forget(work, found);
        return { outcomes: [], taken: [], now, nextSeq: work.numbers.nextSeq };
      },
      false,
    );
    if (made === 'settled') return 0;
    const { work } = made;
    const { epoch, incarnation } = this.claim;
    const writes = Writes.of(work, this.keys, 0);
    const same = { epoch, incarnation, after: this.#number, number: this.#number, tag, work, writes };
    const args = commitArguments(this.context, same);
    const { client } = this.context;
    const reply = (await this.#ask(() => runScript(client, SCRIPTS.commit, writes.keys, args), true)) as unknown[];
    if (reply[0] === 1) throw this.#stale(reply[1]);
    if (reply[0] !== 0) throw this.#misnumbered(this.#number, Number(reply[1]));
    this.memory.take(work);
    return forgotten;
  }

  async #fence(): Promise<readonly (string | null)[]> {
    return this.#ask(() => this.context.client.hmget(this.keys.meta, 'epoch', 'incarnation', 'number', 'tag'));
  }

  async #peek(): Promise<Inbox> {
    const { client, offersTakenMax, offerBytesMax } = this.context;
    const args = [offersTakenMax, PEEK_BYTES_MAX, offerBytesMax].map(String);
    const shown = await this.#ask(() => runScript(client, SCRIPTS.peekInbox, [this.keys.inbox, this.keys.types], args));
    return this.#inbox.of(shown as ShownInbox);
  }

  async #ask<T>(act: () => Promise<T>, writes = false): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw redisError(error, writes);
    }
  }

  #stale(epoch: unknown): StaleEpochError {
    return new StaleEpochError(this.claim.shard, this.claim.epoch, Number(epoch ?? 0));
  }

  #misnumbered(number: number, stored: number): CommitNumberError {
    return new CommitNumberError(
      `Shard ${this.claim.shard}: commit number ${number} does not follow ${stored}; the owner must open the shard anew.`,
    );
  }
}

/** Whether its message may take a place in this line. */
function sendsTo(transition: Transition, shard: number): boolean {
  return (
    transition.type === 'complete' && transition.outgoing?.some(({ targetShard }) => targetShard === shard) === true
  );
}

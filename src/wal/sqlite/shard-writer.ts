/**
 * The owner's side of the shard: opening, commits, release and cleanup, each one transaction on the main connection,
 * run synchronously (a commit of one message takes about 20 µs). Owns the fence (epoch, incarnation, commit number)
 * and the stored answer of the last commit; both live in memory, since only this process can own the store (M1). The
 * epoch is also part of every write, in case the lock that should keep others out was removed.
 *
 * Invariant: memory and tables say the same after every call, also after one that threw.
 */
import type { Clock } from '../../runtime/clock.js';
import type { Outcome, Transition } from '../transition.js';
import {
  type CommitAnswer,
  CommitNumberError,
  type CommitRequest,
  OFFERS_TAKEN_MAX,
  type OpenedShard,
  type PausedLine,
  type RetentionOptions,
  StaleEpochError,
  type TakenOffer,
} from '../wal.js';
import { ActorStates } from './actor-states.js';
import type { SqliteDatabase } from './driver.js';
import { Ids } from './ids.js';
import { type Inbox, type InboxOffer, UNUSABLE } from './inbox.js';
import { Line } from './line.js';
import { Records } from './records.js';
import { headOfRow, messageOfRow } from './rows.js';
import {
  countsOf,
  giveUpOwnership,
  readNumbers,
  readOwnership,
  readPaused,
  type ShardNumbers,
  takeOwnership,
  writeNumbers,
} from './shard-row.js';
import { Statements } from './statements.js';
import { fromText } from './text.js';
import { applyTransition, pauseKey } from './transitions.js';
import { WaitingLines } from './waiting-lines.js';
import type { Work } from './work.js';

/** Offers looked at together when the shard is opened. */
const TAKEN_PAGE = 1_000;

export interface ShardWriterOptions {
  readonly db: SqliteDatabase;
  readonly inbox: Inbox;
  readonly clock: Clock;
  readonly retention: RetentionOptions;
  readonly verifyLineOrder: boolean;
}

export class ShardWriter {
  readonly #statements: Statements;
  readonly #inbox: Inbox;
  readonly #clock: Clock;
  readonly #retention: RetentionOptions;
  readonly #line: Line;
  readonly #ids: Ids;
  readonly #records: Records;
  readonly #states: ActorStates;
  readonly #waiting: WaitingLines;
  readonly #paused = new Map<string, PausedLine>();
  #pausedIsStale = true;
  #numbers: ShardNumbers;
  #epoch: number;
  #incarnation: string | undefined;
  #commitNumber = 0;
  #lastAnswer: CommitAnswer | undefined;
  /** Up to here in the inbox, everything is taken in by commits that are written. */
  #inboxPlace = 0;

  constructor(options: ShardWriterOptions) {
    this.#statements = new Statements(options.db);
    this.#inbox = options.inbox;
    this.#clock = options.clock;
    this.#retention = options.retention;
    this.#line = new Line(this.#statements);
    this.#ids = new Ids(this.#statements);
    this.#records = new Records(this.#statements, this.#ids);
    this.#states = new ActorStates(this.#statements);
    this.#waiting = new WaitingLines(this.#statements, this.#line, options.verifyLineOrder);
    this.#numbers = readNumbers(this.#statements);
    this.#epoch = readOwnership(this.#statements).epoch;
  }

  get inboxPlace(): number {
    return this.#inboxPlace;
  }

  open(incarnation: string): OpenedShard {
    const former = this.#transaction(() => {
      const found = readOwnership(this.#statements);
      takeOwnership(this.#statements, found.epoch + 1, incarnation);
      return found;
    });
    const epoch = former.epoch + 1;
    this.#epoch = epoch;
    this.#incarnation = incarnation;
    this.#commitNumber = 0;
    this.#lastAnswer = undefined;
    this.#numbers = readNumbers(this.#statements);
    this.#loadPaused();
    this.#skipTaken();
    const types = this.#statements.all<{ type: string; letters: number }>(
      'SELECT entity_type AS type, count(*) AS letters FROM dead_letters GROUP BY entity_type',
    );
    const nextDueAt =
      this.#statements.get<{ at: number | null }>('SELECT min(not_before) AS at FROM delayed')?.at ?? null;
    return {
      epoch,
      nextSeq: this.#numbers.next_seq,
      clean: former.incarnation === null,
      inFlight: this.#line.readInFlight(this.#numbers.in_flight).map(headOfRow),
      counts: countsOf(this.#numbers),
      paused: [...this.#paused.values()],
      deadLettersByType: Object.fromEntries(types.map(({ type, letters }) => [fromText(type), letters])),
      ...(nextDueAt !== null && { nextDueAt }),
    };
  }

  commit(request: CommitRequest): CommitAnswer {
    this.#checkOwner(request);
    const { number, transitions } = request;
    if (number === this.#commitNumber && this.#lastAnswer !== undefined) return this.#lastAnswer;
    if (number !== this.#commitNumber + 1) {
      throw new CommitNumberError(
        `Shard 0: commit number ${number} does not follow ${this.#commitNumber}; the owner must open the shard anew.`,
      );
    }
    const found = this.#inbox.read(this.#inboxPlace, OFFERS_TAKEN_MAX + 1);
    const offers = found.length > OFFERS_TAKEN_MAX ? found.slice(0, OFFERS_TAKEN_MAX) : found;
    const now = this.#clock.now();
    const answer =
      offers.length === 0 && transitions.length === 0
        ? { outcomes: [], taken: [], now, nextSeq: this.#numbers.next_seq }
        : this.#transaction(() => this.#apply(request, offers, found.length > offers.length, now));
    this.#commitNumber = number;
    this.#lastAnswer = answer;
    this.#inboxPlace = offers[offers.length - 1]?.place ?? this.#inboxPlace;
    return answer;
  }

  release(epoch: number, incarnation: string): void {
    if (this.#isStale(epoch, incarnation)) return;
    this.#transaction(() => giveUpOwnership(this.#statements, epoch));
    this.#incarnation = undefined;
    this.#lastAnswer = undefined;
  }

  cleanup(epoch: number, incarnation: string, limit: number): number {
    this.#checkOwner({ epoch, incarnation });
    if (limit <= 0) return 0;
    const now = this.#clock.now();
    const rows = this.#records.oldestVerdicts(limit, now);
    const hasStates = this.#states.hasExpired(now);
    if (rows.length === 0 && !hasStates) return 0;
    return this.#transaction(() => {
      for (const row of rows) this.#records.forgetVerdict(this.#numbers, row);
      const states = hasStates ? this.#states.forgetExpired(limit, now) : 0;
      this.#writeNumbers();
      return rows.length + states;
    });
  }

  #apply(request: CommitRequest, offers: readonly InboxOffer[], offersLeft: boolean, now: number): CommitAnswer {
    const { transitions } = request;
    if (this.#pausedIsStale) this.#loadPaused();
    const work: Work = {
      line: this.#line,
      ids: this.#ids,
      records: this.#records,
      states: this.#states,
      waiting: this.#waiting,
      numbers: this.#numbers,
      paused: this.#paused,
      retention: this.#retention,
      now,
      epoch: this.#epoch,
      offersLeft,
      runsUnmarked: request.runsUnmarked,
    };
    const startsAtOnce = transitions.some((transition) => transition.type === 'append' && transition.dispatch === true);
    this.#waiting.begin(startsAtOnce);
    const taken = offers.length === 0 ? [] : this.#take(work, offers);
    this.#fetchNamed(transitions);
    const outcomes: Outcome[] = [];
    for (const transition of transitions) outcomes.push(applyTransition(work, transition));
    this.#line.flush();
    this.#states.flush();
    this.#forgetSurplusVerdicts();
    this.#numbers.in_flight = this.#line.inFlight;
    this.#writeNumbers();
    return { outcomes, taken, now, nextSeq: this.#numbers.next_seq };
  }

  /** Offers that are taken in leave the inbox later: they must not count towards those that a commit takes. */
  #skipTaken(): void {
    for (;;) {
      const page = this.#inbox.read(this.#inboxPlace, TAKEN_PAGE);
      const fresh = page.find(({ offer: { session, number } }) => number > this.#records.sessionMark(session));
      const last = page.at(-1);
      if (fresh !== undefined) this.#inboxPlace = fresh.place - 1;
      else if (last !== undefined) this.#inboxPlace = last.place;
      if (fresh !== undefined || page.length < TAKEN_PAGE) return;
    }
  }

  /**
   * Applies what came in from outside; what a session's mark says is in already is left out. A row that cannot be used
   * counts as taken in, with nothing found.
   */
  #take(work: Work, offers: readonly InboxOffer[]): TakenOffer[] {
    const marks = new Map<string, number>();
    const taken: TakenOffer[] = [];
    for (const { offer } of offers) {
      const { session, number } = offer;
      if (number === 0) {
        taken.push({ offer, outcome: { type: 'not-found' } });
        continue;
      }
      const mark = marks.get(session) ?? this.#records.sessionMark(session);
      marks.set(session, Math.max(mark, number));
      if (number <= mark) continue;
      const outcome: Outcome =
        offer.transition === UNUSABLE ? { type: 'not-found' } : applyTransition(work, offer.transition);
      if (outcome.type === 'appended') {
        const row = this.#line.appended(outcome.seq) ?? this.#line.row(outcome.seq);
        taken.push({ offer, outcome, ...(row !== undefined && { message: messageOfRow(row) }) });
      } else {
        taken.push({
          offer,
          outcome,
          ...((outcome.type === 'queued' || outcome.type === 'unblocked') && { message: outcome.message }),
        });
      }
    }
    for (const [session, mark] of marks) this.#records.setSessionMark(session, mark);
    return taken;
  }

  /** Reads in one go what the transitions must know of messages that are not in memory. */
  #fetchNamed(transitions: readonly Transition[]): void {
    const started: number[] = [];
    const settled: number[] = [];
    for (const transition of transitions) {
      const { type } = transition;
      if (type === 'dispatch') {
        if (this.#line.flagsRecent(transition.seq) === undefined) started.push(transition.seq);
      } else if (type === 'complete' && !transition.keepVerdict) {
        const { seq, starts, state } = transition;
        if (state !== undefined || (starts && this.#line.flagsRecent(seq) === undefined)) settled.push(seq);
      }
    }
    if (started.length === 0 && settled.length === 0) return;
    this.#line.flush();
    this.#line.fetchWaiting(started);
    this.#line.fetchSettling(settled);
  }

  #forgetSurplusVerdicts(): void {
    const surplus = this.#numbers.verdicts - this.#retention.verdictsMax;
    if (surplus <= 0) return;
    const rows = this.#records.oldestVerdicts(surplus, Number.MAX_SAFE_INTEGER);
    for (const row of rows) this.#records.forgetVerdict(this.#numbers, row);
  }

  #loadPaused(): void {
    this.#paused.clear();
    for (const line of readPaused(this.#statements)) this.#paused.set(pauseKey(line), line);
    this.#pausedIsStale = false;
  }

  /** The fence: refuses the transaction when another process has opened the store since (I3). */
  #writeNumbers(): void {
    const epoch = this.#epoch;
    if (writeNumbers(this.#statements, this.#numbers, epoch)) return;
    this.#incarnation = undefined;
    throw new StaleEpochError(0, epoch, readOwnership(this.#statements).epoch);
  }

  #transaction<T>(work: () => T): T {
    const before = { ...this.#numbers };
    this.#statements.run('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#statements.run('COMMIT');
      this.#line.committed();
      return result;
    } catch (error) {
      this.#numbers = before;
      this.#pausedIsStale = true;
      this.#line.rolledBack();
      this.#states.rolledBack();
      this.#rollBack();
      throw error;
    }
  }

  #rollBack(): void {
    try {
      this.#statements.run('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself (disk full, input/output error); there is no transaction left.
    }
  }

  #checkOwner(claim: { readonly epoch: number; readonly incarnation: string }): void {
    if (this.#isStale(claim.epoch, claim.incarnation)) throw new StaleEpochError(0, claim.epoch, this.#epoch);
  }

  #isStale(epoch: number, incarnation: string): boolean {
    return this.#incarnation === undefined || epoch !== this.#epoch || incarnation !== this.#incarnation;
  }
}

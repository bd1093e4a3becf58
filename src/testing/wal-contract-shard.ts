/**
 * What the cases of the WAL contract stand on: a store under test with a clock they set, an owner that numbers its
 * commits, and one comparable text of everything that can be read from a shard.
 */
import assert from 'node:assert/strict';
import type { Envelope, ErrorDescription } from '../message/envelope.js';
import type { Clock } from '../runtime/clock.js';
import type { SharedWal } from '../wal/shared-wal.js';
import type { Outcome, StoredMessage, Transition } from '../wal/transition.js';
import type {
  CommitAnswer,
  CommitRequest,
  Offer,
  OfferedTransition,
  OpenedShard,
  Reminder,
  RetentionOptions,
  StatusRecord,
  Wal,
} from '../wal/wal.js';

/** How the suite gets stores: one per case, empty, started, with at least shard 0. */
export interface WalFactory {
  create(options: WalFactoryOptions): Promise<WalUnderTest>;
}

export interface WalFactoryOptions {
  /** The store's time. */
  readonly clock: Clock;
  readonly retention: RetentionOptions;
  readonly clusterId?: string | undefined;
}

export interface WalUnderTest {
  readonly wal: Wal;
  /** The same stored data in a new, started `Wal`, as after `kill -9` of the process that used the old one. */
  reopen(): Promise<Wal>;
  /** Stops everything and removes the data. */
  dispose(): Promise<void>;
}

/** A clock that stands still until it is set. */
export class ContractClock implements Clock {
  constructor(public nowMs = 1_700_000_000_000) {}

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.nowMs;
  }
}

export const CONTRACT_RETENTION: RetentionOptions = { entryTtlMs: 60_000, verdictsMax: 1_000 };
export const CONTRACT_ERROR: ErrorDescription = { name: 'RangeError', message: 'not enough', data: { missing: 3 } };

/** An owner of shard 0 and its store. */
export class ContractShard {
  readonly clock = new ContractClock();
  #stored: WalUnderTest | undefined;
  #wal: Wal | undefined;
  #epoch = 0;
  #number = 0;
  #incarnation = 'owner-0';
  #incarnations = 0;

  static async create(factory: WalFactory, retention: RetentionOptions = CONTRACT_RETENTION): Promise<ContractShard> {
    const shard = new ContractShard();
    shard.#stored = await factory.create({ clock: shard.clock, retention, clusterId: 'contract' });
    shard.#wal = shard.#stored.wal;
    return shard;
  }

  get wal(): Wal {
    assert(this.#wal !== undefined, 'ContractShard.create makes the store');
    return this.#wal;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  /** The number of the last commit. */
  get number(): number {
    return this.#number;
  }

  /** Takes the shard as a new incarnation. */
  async open(): Promise<OpenedShard> {
    this.#incarnations += 1;
    this.#incarnation = `owner-${this.#incarnations}`;
    const opened = await this.wal.open(0, this.#incarnation);
    this.#epoch = opened.epoch;
    this.#number = 0;
    return opened;
  }

  /** Ends the process without a word and starts another one on the same data; `open` comes next. */
  async crash(): Promise<void> {
    assert(this.#stored !== undefined);
    this.#wal = await this.#stored.reopen();
  }

  async dispose(): Promise<void> {
    await this.#stored?.dispose();
  }

  async answer(...transitions: readonly Transition[]): Promise<CommitAnswer> {
    const number = this.#number + 1;
    const answer = await this.wal.commit({ ...this.claim(), number, transitions });
    this.#number = number;
    return answer;
  }

  /** As `commit`, of an owner that runs messages at these places without having marked them as started. */
  async commitWhileRunning(running: readonly number[], ...transitions: readonly Transition[]) {
    const number = this.#number + 1;
    const runsUnmarked: CommitRequest['runsUnmarked'] = (seq) => running.includes(seq);
    const answer = await this.wal.commit({ ...this.claim(), number, transitions, runsUnmarked });
    this.#number = number;
    return answer;
  }

  /** The actor state of one entity of type `account`. */
  async state(entityId: string): Promise<string | undefined> {
    return (await this.wal.actorStates(0, [{ entityType: 'account', entityId }]))[0];
  }

  /** Commits and returns the outcomes. */
  async commit(...transitions: readonly Transition[]): Promise<readonly Outcome[]> {
    return (await this.answer(...transitions)).outcomes;
  }

  /** Commits one transition and returns its outcome. */
  async one(transition: Transition): Promise<Outcome> {
    const [outcome] = await this.commit(transition);
    assert(outcome !== undefined, 'a commit has one outcome per transition');
    return outcome;
  }

  /** Appends messages in one commit and returns their places. */
  async append(...messages: readonly Envelope[]): Promise<readonly number[]> {
    const outcomes = await this.commit(...messages.map((message) => ({ type: 'append', message }) as const));
    return outcomes.map((outcome) => {
      assert(outcome.type === 'appended', `an append was ${outcome.type}`);
      return outcome.seq;
    });
  }

  /** Appends one message and marks it as started; returns its place. */
  async start(message: Envelope): Promise<number> {
    const outcome = await this.one({ type: 'append', message, dispatch: true });
    assert(outcome.type === 'appended' && outcome.dispatched, 'the message could not start at once');
    return outcome.seq;
  }

  claim(): { readonly shard: number; readonly epoch: number; readonly incarnation: string } {
    return { shard: 0, epoch: this.#epoch, incarnation: this.#incarnation };
  }

  /** Places of all messages in line. */
  async line(): Promise<readonly number[]> {
    return (await this.wal.scan(0, 0, 1_000_000)).map((head) => head.seq);
  }

  /** Asserts that `act` is refused by an error of this name and that nothing readable changed. */
  async refuses(name: string | RegExp, act: () => Promise<unknown>, scope: ReadScope = {}): Promise<void> {
    const before = await readEverything(this.wal, scope);
    const error = await act().then(
      () => assert.fail(`expected ${name}, but it was accepted`),
      (caught: unknown) => caught,
    );
    assert(error instanceof Error);
    if (typeof name === 'string') assert.equal(error.name, name, error.message);
    else assert.match(error.name, name, error.message);
    assert.equal(await readEverything(this.wal, scope), before, 'a refused call must change nothing');
  }
}

export function contractMessage(id: string, entityId = 'a-1', more: Partial<Envelope> = {}): Envelope {
  return { id, kind: 'command', entityType: 'account', entityId, name: 'Deposit', payload: `{"of":"${id}"}`, ...more };
}

/** Numbers the offers of one session from `first`. */
export function contractOffers(
  session: string,
  first: number,
  ...transitions: readonly OfferedTransition[]
): readonly Offer[] {
  return transitions.map((transition, index) => ({ session, number: first + index, transition }));
}

/** What to ask about besides what the shard lists itself. */
export interface ReadScope {
  readonly ids?: Iterable<string>;
  readonly entities?: Iterable<readonly [entityType: string, entityId: string]>;
  readonly sessions?: Iterable<string>;
}

/** Everything readable of shard 0 as one text; equal texts mean equal shards to any reader. */
export async function readEverything(wal: Wal, scope: ReadScope = {}): Promise<string> {
  const heads = await wal.scan(0, 0, 1_000_000);
  const messages = await wal.load(
    0,
    heads.map((head) => head.seq),
  );
  const delayed = await wal.due(0, Number.MAX_SAFE_INTEGER, 1_000_000);
  const letters = await wal.deadLetters(0, { limit: 1_000_000 });
  const ids = new Set([
    ...messages.map((message) => message.id),
    ...delayed.ids,
    ...letters.map((letter) => letter.id),
    ...(scope.ids ?? []),
  ]);
  const statuses: unknown[] = [];
  for (const id of ids) {
    const status = await wal.status(0, id);
    if (status !== undefined) statuses.push(status);
  }
  await sameTogether(wal, [...ids], statuses as readonly StatusRecord[]);
  const entities = [...(scope.entities ?? [])].map(([entityType, entityId]) => ({ entityType, entityId }));
  const texts = await wal.actorStates(0, entities);
  assert.equal(texts.length, entities.length, 'one state per entity that was asked for');
  const states = entities.map((entity, index) => [entity, texts[index]]);
  const marks: unknown[] = [];
  for (const session of scope.sessions ?? []) marks.push([session, await wal.offerMark(0, session)]);
  const counts = await wal.counts(0);
  const outbox = await wal.outbox(0, 1_000_000);
  const ended = counts.completed + counts.failed + counts.interrupted + counts.expired + counts.cancelled;
  assert.equal(counts.accepted, counts.pending + ended, 'accepted = pending + final (I7)');
  assert.equal(counts.pending, heads.length + delayed.ids.length, 'pending = in line + delayed (I7)');
  assert.equal(counts.deadLetters, letters.length, 'the dead letters are counted (I7)');
  const blocked = await wal.blocked(0, 0, 1_000_000);
  assert.equal(counts.blocked, blocked.length, 'the blocked messages are counted (I7)');
  const paused = (await wal.paused(0)).map(canonical).sort();
  const reminders = remindersInOrder(await wal.reminders(0, { limit: 1_000_000 }));
  const kept = { delayed, letters, statuses, states, marks, outbox, blocked, paused, reminders };
  return canonical({ counts, heads, messages, ...kept });
}

/** Looked for together they are what they are one by one, but for those that are only offered. */
async function sameTogether(wal: Wal, ids: readonly string[], singly: readonly StatusRecord[]): Promise<void> {
  const { statuses } = wal as Partial<SharedWal>;
  if (statuses === undefined) return;
  const taken = new Map(singly.flatMap((status) => (status.isOffered === true ? [] : [[status.id, status] as const])));
  const asked = [...ids, 'nobody', ...ids.slice(0, 1)];
  const together = await statuses.call(wal, 0, asked);
  const expected = asked.map((id) => taken.get(id));
  assert.equal(canonical(together), canonical(expected), 'statuses are those of each message, in the order of the ids');
}

/** The messages of a page. What numbers the store orders them by is its own affair, as long as they grow. */
export function remindersInOrder(page: readonly Reminder[]): readonly StoredMessage[] {
  for (const [index, { order }] of page.entries())
    assert(order > (page[index - 1]?.order ?? 0), 'reminders come in the order of their acceptance');
  return page.map(({ message }) => message);
}

/** A text that is equal for equal data: keys sorted, absent and undefined alike. */
export function canonical(value: unknown): string {
  if (value === null || typeof value !== 'object') return value === undefined ? 'null' : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const fields: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const field: unknown = Reflect.get(value, key);
    if (field !== undefined) fields.push(`${JSON.stringify(key)}:${canonical(field)}`);
  }
  return `{${fields.join(',')}}`;
}

/** Deep equality of data, where an absent field equals an undefined one. */
export function assertSame(actual: unknown, expected: unknown, message?: string): void {
  if (canonical(actual) !== canonical(expected)) assert.deepEqual(actual, expected, message);
}

/** As `canonical`, for the answers whose lists have no promised order or that hold what no one may rely on. */
export function canonicalOpened(opened: OpenedShard): string {
  const paused = opened.paused.map(canonical).sort();
  return canonical({ ...opened, paused, now: undefined });
}

export function canonicalAnswer(answer: CommitAnswer): string {
  const taken = answer.taken.map(({ offer, ...rest }) => ({
    ...rest,
    offer:
      offer.transition.type === 'append'
        ? { ...offer, transition: { ...offer.transition, dispatch: undefined } }
        : offer,
  }));
  return canonical({ ...answer, taken, offersLeft: undefined });
}

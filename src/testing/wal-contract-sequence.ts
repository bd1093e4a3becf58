/**
 * Generated sequences: one seed is one made-up life of a shard - owners that come and go, crash and come back as stale
 * ones, commits that are repeated, skipped and illegal, offers, a clock that jumps - run on the pure model and on the
 * adapter side by side. Every answer must be the same, and so must everything that can be read.
 */
import { seededRandom } from '../runtime/random.js';
import { MemoryStore, MemoryWal } from '../wal/memory/memory-wal.js';
import { openShard, type ShardState } from '../wal/shard-state.js';
import type { CommitRequest, Offer, Reminder, ReminderQuery, RetentionOptions, Wal } from '../wal/wal.js';
import { Choice, CommitGenerator } from './wal-contract-generator.js';
import { ContractLedger } from './wal-contract-ledger.js';
import {
  ContractClock,
  canonical,
  canonicalAnswer,
  canonicalOpened,
  readEverything,
  remindersInOrder,
  type WalFactory,
} from './wal-contract-shard.js';

export interface GeneratedSequenceOptions {
  /** Commits in the sequence, about. Default 30. */
  readonly commits?: number | undefined;
  /** Whether the store keeps `replyTo` (stores that nodes share do). Default false. */
  readonly repliesTo?: boolean | undefined;
  /** The command that repeats the sequence with this seed; it goes into the error. */
  readonly repeatCommand?: ((seed: number) => string) | undefined;
}

/** Runs the sequence of this seed; rejects with an error that tells the seed and the first difference. */
export async function runGeneratedSequence(
  seed: number,
  factory: WalFactory,
  options: GeneratedSequenceOptions = {},
): Promise<void> {
  const choice = new Choice(seededRandom(seed));
  const clock = new ContractClock();
  const { repliesTo = false } = options;
  const retention = {
    entryTtlMs: 5_000,
    verdictsMax: choice.chance(0.3) ? 3 : 1_000,
    ...(repliesTo && { waiterTtlMs: 1_500 }),
  };
  const stored = await factory.create({ clock, retention, clusterId: 'generated' });
  const sequence = new Sequence(choice, new CommitGenerator(choice, repliesTo), clock, retention, stored.wal, () =>
    stored.reopen(),
  );
  try {
    await sequence.run(options.commits ?? 30);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const repeat = options.repeatCommand === undefined ? '' : `\nRepeat: ${options.repeatCommand(seed)}`;
    throw new Error(`Generated sequence with seed ${seed}, ${sequence.context()}\n${reason}${repeat}`, {
      cause: error,
    });
  } finally {
    await stored.dispose();
  }
}

type Claim = Pick<CommitRequest, 'epoch' | 'incarnation'>;

const SESSIONS = ['s1', 's2:x'] as const;

class Sequence {
  readonly #choice: Choice;
  readonly #clock: ContractClock;
  readonly #retention: RetentionOptions;
  readonly #model: MemoryWal;
  readonly #state: ShardState;
  readonly #generator: CommitGenerator;
  readonly #reopen: () => Promise<Wal>;
  readonly #ledger = new ContractLedger();
  readonly #log: string[] = [];
  readonly #formerClaims: Claim[] = [];
  readonly #offered = new Map<string, Offer[]>();
  #adapter: Wal;
  #claim: Claim = { epoch: 0, incarnation: 'nobody' };
  #number = 0;
  #step = 0;
  #commits = 0;
  #opens = 0;

  constructor(
    choice: Choice,
    generator: CommitGenerator,
    clock: ContractClock,
    retention: RetentionOptions,
    adapter: Wal,
    reopen: () => Promise<Wal>,
  ) {
    this.#choice = choice;
    this.#clock = clock;
    this.#retention = retention;
    this.#adapter = adapter;
    this.#reopen = reopen;
    const store = new MemoryStore();
    this.#model = new MemoryWal({ clock, store, retention });
    this.#state = store.shard(0);
    this.#generator = generator;
  }

  context(): string {
    return `step ${this.#step}; its last steps:\n${this.#log.slice(-4).join('\n')}`;
  }

  async run(commits: number): Promise<void> {
    await this.#model.start();
    if (this.#choice.chance(0.9)) await this.#open();
    while (this.#commits < commits) {
      this.#step += 1;
      await this.#act();
      if (this.#choice.chance(0.15)) await this.#compareReads();
    }
    await this.#compareReads();
    this.#adapter = await this.#reopen();
    this.#log.push('crash at the end');
    await this.#compareReads();
  }

  async #act(): Promise<void> {
    const choice = this.#choice;
    const kind = choice.weighted({
      commit: 55,
      repeat: 4,
      skip: 2,
      stale: 4,
      illegal: 5,
      offer: 10,
      offerGap: 1,
      open: 3,
      release: 2,
      crash: 2,
      time: 12,
      cleanup: 3,
      page: 6,
    });
    switch (kind) {
      case 'commit':
        this.#commits += 1;
        return this.#commitLegal(choice.below(7));
      case 'repeat':
        return this.#commit(this.#claim, this.#number, this.#legal(2));
      case 'skip':
        return this.#refused(() => this.#commit(this.#claim, this.#number + 2 + choice.below(2), this.#legal(2)));
      case 'illegal':
        return this.#refused(() => this.#commit(this.#claim, this.#number + 1, this.#illegal(choice.below(5))));
      case 'stale': {
        const { epoch } = this.#claim;
        const claim = choice.of([
          ...this.#formerClaims,
          { epoch, incarnation: 'other' },
          { ...this.#claim, epoch: epoch + 1 },
        ]);
        const number = choice.of([1, this.#number, this.#number + 1]) ?? 1;
        return this.#refused(() => this.#commit(claim ?? this.#claim, number, this.#legal(2)));
      }
      case 'offer':
        return this.#offer(0);
      case 'offerGap':
        return this.#refused(() => this.#offer(1 + choice.below(2)));
      case 'open':
        return this.#open();
      case 'release': {
        const claim = choice.chance(0.5) ? this.#claim : (choice.of(this.#formerClaims) ?? this.#claim);
        return this.#both(`release ${canonical(claim)}`, (wal) => wal.release(0, claim.epoch, claim.incarnation));
      }
      case 'crash':
        this.#log.push('crash');
        this.#adapter = await this.#reopen();
        return this.#open();
      case 'time': {
        const stepMs = choice.weighted({ short: 6, long: 2, back: 2 });
        this.#clock.nowMs +=
          stepMs === 'short' ? choice.below(1_500) : stepMs === 'long' ? choice.below(8_000) : -choice.below(3_000);
        this.#log.push(`the clock shows ${this.#clock.nowMs}`);
        return;
      }
      case 'cleanup': {
        const claim = choice.chance(0.8) ? this.#claim : (choice.of(this.#formerClaims) ?? this.#claim);
        const limit = 1 + choice.below(4);
        return this.#both(`cleanup ${limit} ${canonical(claim)}`, (wal) =>
          wal.cleanup(0, claim.epoch, claim.incarnation, limit),
        );
      }
      case 'page':
        return this.#page();
    }
  }

  #legal(length: number) {
    return this.#generator.legal(this.#state, this.#clock.nowMs, this.#retention, length);
  }

  #illegal(length: number) {
    return this.#generator.illegal(this.#state, this.#clock.nowMs, this.#retention, length);
  }

  async #open(): Promise<void> {
    this.#opens += 1;
    const incarnation = `i${this.#opens}`;
    this.#log.push(`open ${incarnation}`);
    const opened = await this.#adapter.open(0, incarnation);
    if (!(opened.epoch > this.#state.epoch))
      throw new Error(`open gave epoch ${opened.epoch} after ${this.#state.epoch} (I6)`);
    const expected = openShard(this.#state, incarnation, opened.epoch);
    same('open', canonicalOpened(expected), canonicalOpened(opened));
    if (this.#claim.epoch > 0) this.#formerClaims.push(this.#claim);
    this.#claim = { epoch: opened.epoch, incarnation };
    this.#number = 0;
  }

  /** Some owners run messages that they have not marked as started (I2). */
  async #commitLegal(length: number): Promise<void> {
    const rest = this.#choice.below(3);
    const runsUnmarked = this.#choice.chance(0.3) ? (seq: number) => seq % 3 === rest : undefined;
    const now = this.#clock.nowMs;
    const transitions = this.#generator.legal(this.#state, now, this.#retention, length, runsUnmarked);
    await this.#commit(this.#claim, this.#number + 1, transitions, runsUnmarked);
  }

  async #commit(
    claim: Claim,
    number: number,
    transitions: CommitRequest['transitions'],
    runsUnmarked?: CommitRequest['runsUnmarked'],
  ): Promise<void> {
    const request: CommitRequest = {
      shard: 0,
      ...claim,
      number,
      transitions,
      ...(runsUnmarked !== undefined && { runsUnmarked }),
    };
    const applies = number === this.#state.commitNumber + 1;
    await this.#both(`commit ${canonical(request)}`, async (wal) => {
      const answer = await wal.commit(request);
      if (applies && wal === this.#adapter) this.#ledger.observe(request, answer);
      return canonicalAnswer(answer);
    });
    this.#number = this.#state.commitNumber;
  }

  async #offer(gap: number): Promise<void> {
    const choice = this.#choice;
    const session = choice.of(SESSIONS) ?? 's1';
    const sent = this.#offered.get(session) ?? [];
    const offers: Offer[] = choice.chance(0.3) ? sent.slice(-3) : [];
    const first = sent.length + 1 + gap;
    const count = 1 + choice.below(4);
    for (let index = 0; index < count; index++) {
      const transition = this.#generator.offered(this.#state, this.#clock.nowMs, this.#retention);
      offers.push({ session, number: first + index, transition });
    }
    await this.#both(`offer ${canonical(offers)}`, (wal) => wal.offer(0, offers));
    if (gap === 0) this.#offered.set(session, [...sent, ...offers.slice(-count)]);
  }

  async #page(): Promise<void> {
    const choice = this.#choice;
    const after = choice.below(this.#state.numbers.nextSeq + 2);
    const limit = choice.below(5);
    const seqs = Array.from({ length: 4 }, () => choice.below(this.#state.numbers.nextSeq + 2));
    const now = this.#clock.nowMs + choice.below(4_000) - 2_000;
    const [entityType, entityId] = choice.of(this.#generator.entities) ?? ['account', 'a'];
    const query = {
      limit: limit + 1,
      ...(choice.chance(0.5) && { after: choice.below(4) }),
      ...(choice.chance(0.4) && { entityType }),
      ...(choice.chance(0.3) && { entityId }),
      ...(choice.chance(0.3) && { name: 'Deposit' }),
      ...(choice.chance(0.3) && { reason: choice.of(['failed', 'interrupted', 'expired'] as const) }),
      ...(choice.chance(0.3) && { since: now }),
      ...(choice.chance(0.3) && { until: now + choice.below(2_000) }),
    };
    await this.#both(`scan ${after} ${limit}`, (wal) => wal.scan(0, after, limit));
    await this.#both(`load ${seqs.join()}`, (wal) => wal.load(0, seqs));
    await this.#both(`due ${now} ${limit}`, (wal) => wal.due(0, now, limit));
    await this.#both(`deadLetters ${canonical(query)}`, (wal) => wal.deadLetters(0, query));
    await this.#both(`outbox ${limit}`, (wal) => wal.outbox(0, limit));
    await this.#both(`blocked ${after} ${limit}`, (wal) => wal.blocked(0, after, limit));
    const asked = {
      ...(choice.chance(0.5) && { entityType }),
      ...(choice.chance(0.4) && { entityId }),
    };
    await this.#both(`reminders ${canonical(asked)}`, (wal) => pagedReminders(wal, asked, limit + 1));
    const entities = Array.from({ length: 3 }, () => {
      const [type, id] = choice.of(this.#generator.entities) ?? ['account', 'a'];
      return { entityType: type, entityId: id };
    });
    await this.#both(`actorStates ${canonical(entities)}`, (wal) => wal.actorStates(0, entities));
  }

  /** Does it on the model and on the adapter; answers and errors must be the same. */
  async #both(what: string, act: (wal: Wal) => Promise<unknown>): Promise<void> {
    this.#log.push(what);
    const expected = await answerOf(act(this.#model));
    const actual = await answerOf(act(this.#adapter));
    same(what.slice(0, what.indexOf(' ')), expected.text, actual.text, actual.detail ?? expected.detail);
  }

  /** Everything readable is the same before and after. */
  async #refused(act: () => Promise<void>): Promise<void> {
    const before = await this.#read(this.#adapter);
    await act();
    same('everything readable after a refused call', before, await this.#read(this.#adapter));
  }

  async #compareReads(): Promise<void> {
    same('everything readable', await this.#read(this.#model), await this.#read(this.#adapter));
    await this.#ledger.check(this.#adapter);
  }

  #read(wal: Wal): Promise<string> {
    const { ids, entities } = this.#generator;
    return readEverything(wal, { ids, entities, sessions: SESSIONS });
  }
}

/** All of them, page by page. */
async function pagedReminders(wal: Wal, query: Omit<ReminderQuery, 'limit'>, limit: number): Promise<unknown> {
  const found: Reminder[] = [];
  for (;;) {
    const after = found.at(-1)?.order ?? 0;
    const page = await wal.reminders(0, { ...query, after, limit });
    found.push(...page);
    if (page.length < limit) return remindersInOrder(found);
  }
}

/** The answer, or the name of the error; the words of an error are the adapter's own and not compared. */
async function answerOf(promise: Promise<unknown>): Promise<{ readonly text: string; readonly detail?: string }> {
  try {
    const value = await promise;
    return { text: typeof value === 'string' ? value : canonical(value) };
  } catch (error) {
    return error instanceof Error ? { text: `throws ${error.name}`, detail: error.message } : { text: String(error) };
  }
}

function same(what: string, expected: string, actual: string, detail = ''): void {
  if (expected === actual) return;
  let from = 0;
  while (expected[from] === actual[from]) from += 1;
  from = Math.max(0, from - 120);
  const cut = (text: string): string => `${from > 0 ? '…' : ''}${text.slice(from, from + 600)}`;
  throw new Error(`${what} differs.\n  model:   ${cut(expected)}\n  adapter: ${cut(actual)}\n  ${detail}`);
}

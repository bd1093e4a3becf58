/** What anyone can read of a shard, with single commands and small transactions. Owns no connection and changes nothing. */

import type { SignOfLife } from '../shared-wal.js';
import type { AttemptRecord, DeadLetter, ShardCounts, StoredMessage } from '../transition.js';
import type { DeadLetterFilterQuery, DeadLetterQuery, DeadLetterRef, PausedLine } from '../wal.js';
import { type Evidence, evidenceOfRecord } from './evidence.js';
import { LAYOUTS } from './facts.js';
import { bucketOf, type ShardKeys } from './keys.js';
import { lineFormatOf } from './line-format.js';
import { Listing } from './listing.js';
import type { OutboxNumber } from './memory.js';
import { countsOf, numbersOf, type RedisShardNumbers } from './numbers.js';
import {
  bodyOf,
  bodyTextIn,
  type Held,
  heldOf,
  type LetterHead,
  letterHeadOf,
  messageOf,
  pointerOf,
} from './records.js';
import { type RedisClient, runScript, SCRIPTS } from './scripts.js';
import { SideReads } from './side-reads.js';
import { type FieldRef, type FoundStatus, StatusReads } from './status-reads.js';
import { bucketOfName, fromField, toField } from './text.js';

/** Looks at a message that moves while it is looked for. */
const TRIES_MAX = 10;
const PAGE = 1_000;

/** Small things that a new owner needs. */
export interface SmallState {
  readonly numbers: RedisShardNumbers;
  readonly lineFormat: number;
  readonly number: number;
  readonly epoch: string;
  readonly incarnation: string;
  readonly run: ReadonlyMap<number, string>;
  readonly paused: readonly (readonly [string, PausedLine])[];
  readonly letterTypes: Readonly<Record<string, number>>;
  readonly nextDueAt: number | undefined;
  readonly outboxNumbers: ReadonlyMap<number, OutboxNumber>;
  readonly outboxLength: number;
  /** How many messages are blocked. */
  readonly blocked: number;
}

export class ShardReads {
  readonly side: SideReads;
  readonly #statuses: StatusReads;
  #line = new Listing();
  #letters = new Listing();

  constructor(
    private readonly client: RedisClient,
    private readonly keys: ShardKeys,
  ) {
    this.side = new SideReads(client, keys, (seqs) => this.held(seqs));
    this.#statuses = new StatusReads(keys, (fields) => this.#fields(fields));
  }

  /** Forgets what was listed: after a fail-over that lost writes, numbers may be given a second time. */
  forget(): void {
    this.#line = new Listing();
    this.#letters = new Listing();
  }

  async numbers(): Promise<RedisShardNumbers> {
    return numbersOf(await this.client.hget(this.keys.meta, 'numbers'));
  }

  async counts(): Promise<ShardCounts> {
    const [numbers, blocked] = (await this.#together([
      ['hget', this.keys.meta, 'numbers'],
      ['zcard', this.keys.blocked],
    ])) as [string | null, number];
    return countsOf(numbersOf(numbers), withoutSentinel(blocked));
  }

  async sign(): Promise<SignOfLife> {
    return signOf(await this.client.hmget(this.keys.meta, ...SIGN_FIELDS));
  }

  async small(): Promise<SmallState> {
    const { keys } = this;
    const [meta, run, paused, types, due, outboxNumbers, outbox, blocked] = (await this.#together([
      ['hmget', keys.meta, 'numbers', 'number', 'epoch', 'incarnation', 'format'],
      ['hgetall', keys.run],
      ['hgetall', keys.paused],
      ['hgetall', keys.letterTypes],
      ['zrange', keys.due, '1', '1', 'WITHSCORES'],
      ['hgetall', keys.outboxNumbers],
      ['llen', keys.outbox],
      ['zcard', keys.blocked],
    ])) as [(string | null)[], Fields, Fields, Fields, string[], Fields, number, number];
    return {
      numbers: numbersOf(meta[0]),
      number: Number(meta[1] ?? 0),
      lineFormat: lineFormatOf(meta[4]),
      epoch: meta[2] ?? '0',
      incarnation: meta[3] ?? '',
      run: new Map(entriesOf(run).map(([seq, attempt]) => [Number(seq), attempt])),
      paused: entriesOf(paused).map(([key, line]) => [fromField(key), JSON.parse(line) as PausedLine]),
      letterTypes: Object.fromEntries(entriesOf(types).map(([type, count]) => [fromField(type), Number(count)])),
      nextDueAt: due[1] === undefined ? undefined : Number(due[1]),
      outboxNumbers: new Map(entriesOf(outboxNumbers).map(([target, last]) => [Number(target), outboxNumberOf(last)])),
      outboxLength: withoutSentinel(outbox),
      blocked: withoutSentinel(blocked),
    };
  }

  /** Messages in line after this place. */
  async scan(after: number, limit: number): Promise<readonly Held[]> {
    if (limit <= 0) return [];
    const { nextSeq } = await this.numbers();
    return this.#line.page(this.client, this.keys.heads, after, nextSeq, limit, (seqs) => this.held(seqs));
  }

  /** Messages in line at these places, in their order. */
  async held(seqs: readonly number[]): Promise<readonly Held[]> {
    const found: Held[] = [];
    for (const [bucket, places] of byBucket(seqs)) {
      const fields = places.map(String);
      const [heads, running] = (await this.#together([
        ['hmget', this.keys.heads[bucket] as string, ...fields],
        ['hmget', this.keys.run, ...fields],
      ])) as [(string | null)[], (string | null)[]];
      for (const [index, seq] of places.entries()) {
        const text = heads[index] ?? null;
        if (text !== null) found.push(heldOf(seq, text, running[index] ?? null));
      }
    }
    return found;
  }

  async load(seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    const found: StoredMessage[] = [];
    const sorted = [...new Set(seqs)].filter((seq) => Number.isInteger(seq) && seq > 0).sort((a, b) => a - b);
    for (const [bucket, places] of byBucket(sorted)) {
      const fields = places.map(String);
      const [heads, running, bodies, pasts] = (await this.#together([
        ['hmget', this.keys.heads[bucket] as string, ...fields],
        ['hmget', this.keys.run, ...fields],
        ['hmget', this.keys.bodies[bucket] as string, ...fields],
        ['hmget', this.keys.pasts[bucket] as string, ...fields],
      ])) as (string | null)[][];
      for (const [index, seq] of places.entries()) {
        const head = heads?.[index] ?? null;
        if (head === null) continue;
        const body = bodyTextIn(head) ?? bodies?.[index] ?? null;
        if (body === null) continue;
        const past = pasts?.[index] ?? null;
        const history = past === null ? [] : (JSON.parse(past) as AttemptRecord[]);
        found.push(messageOf(heldOf(seq, head, running?.[index] ?? null), bodyOf(body), history));
      }
    }
    return found;
  }

  /** In the order of the ids. */
  statuses(ids: readonly string[], now: number): Promise<readonly (FoundStatus | undefined)[]> {
    return this.#statuses.find(ids, now);
  }

  async status(id: string, now: number): Promise<FoundStatus | undefined> {
    return (await this.statuses([id], now))[0];
  }

  async deadLetter(id: string): Promise<DeadLetter | undefined> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const text = await this.client.hget(this.keys.ids[bucketOfName(id)] as string, toField(id));
      const number = text === null ? undefined : pointerOf(text).letter;
      if (number === undefined) return undefined;
      const found = await this.#letter(number);
      if (found !== undefined) return found.letter;
    }
    return undefined;
  }

  async deadLetters(query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    const refs = await this.deadLetterIds(query);
    const found: DeadLetter[] = [];
    for (let at = 0; at < refs.length; at += 100) {
      const letters = await Promise.all(refs.slice(at, at + 100).map(({ number }) => this.#letter(number)));
      for (const each of letters) if (each !== undefined) found.push(each.letter);
    }
    return found;
  }

  async deadLetterIds({ limit, after = 0, ...filter }: DeadLetterQuery): Promise<readonly DeadLetterRef[]> {
    const found: DeadLetterRef[] = [];
    if (limit <= 0) return found;
    const { nextLetter } = await this.numbers();
    for (let last = after; found.length < limit; ) {
      const page = await this.#letterPage(last, nextLetter, Math.min(PAGE, Math.max(64, limit)));
      for (const { number, head } of page) {
        if (matches(head, filter)) found.push({ id: head.id, number });
        if (found.length >= limit) break;
      }
      if (page.length === 0) break;
      last = page.at(-1)?.number ?? nextLetter;
    }
    return found;
  }

  async deadLetterCount(filter: DeadLetterFilterQuery): Promise<number> {
    return (await this.deadLetterIds({ ...filter, limit: Number.MAX_SAFE_INTEGER })).length;
  }

  async #letter(number: number): Promise<{ readonly letter: DeadLetter; readonly record: Evidence } | undefined> {
    const { keys } = this;
    const key = LAYOUTS.letters.key(keys, number);
    const [head, corpse] = (await this.#together([
      ['hget', key, String(number)],
      ['hget', LAYOUTS.corpses.key(keys, number), String(number)],
    ])) as (string | null)[];
    if (head === null || head === undefined || corpse === null || corpse === undefined) return undefined;
    const { id, reason, diedAt } = letterHeadOf(head);
    const { error, message } = LAYOUTS.corpses.decode(corpse, number);
    const letter = { id, number, reason, ...(error !== undefined && { error }), diedAt, message };
    return { letter, record: evidenceOfRecord(key, String(number), head) };
  }

  #letterPage(after: number, end: number, limit: number) {
    return this.#letters.page(this.client, this.keys.letters, after, end, limit, async (numbers) => {
      const found: { readonly number: number; readonly head: LetterHead }[] = [];
      for (const [bucket, some] of byBucket(numbers)) {
        const texts = await this.client.hmget(this.keys.letters[bucket] as string, ...some.map(String));
        for (const [index, number] of some.entries()) {
          const text = texts[index] ?? null;
          if (text !== null) found.push({ number, head: letterHeadOf(text) });
        }
      }
      return found;
    });
  }

  /** Fields of one moment. */
  async #fields(fields: readonly FieldRef[]): Promise<readonly (string | null)[]> {
    const byKey = new Map<string, { readonly names: string[]; readonly places: number[] }>();
    for (const [place, [key, field]] of fields.entries()) {
      let some = byKey.get(key);
      if (some === undefined) {
        some = { names: [], places: [] };
        byKey.set(key, some);
      }
      some.names.push(field);
      some.places.push(place);
    }
    const answers = await this.#together([...byKey].map(([key, { names }]) => ['hmget', key, ...names] as const));
    const texts: (string | null)[] = fields.map(() => null);
    for (const [index, { places }] of [...byKey.values()].entries()) {
      const found = answers[index] as readonly (string | null)[];
      for (const [at, place] of places.entries()) texts[place] = found[at] ?? null;
    }
    return texts;
  }

  /** Reads of one moment: each a command, its key and what follows. */
  async #together(
    commands: readonly (readonly [command: string, key: string, ...args: string[]])[],
  ): Promise<readonly unknown[]> {
    const keys = commands.map(([, key]) => key);
    const args = commands.flatMap(([command, , ...rest]) => [command, String(rest.length), ...rest]);
    return (await runScript(this.client, SCRIPTS.read, keys, args)) as readonly unknown[];
  }
}

type Fields = readonly string[];

export const SIGN_FIELDS = ['epoch', 'incarnation', 'node', 'beat', 'openings'] as const;

export function signOf([epoch, incarnation, node, beat, openings]: readonly (string | null)[]): SignOfLife {
  const owner = incarnation ?? '';
  return {
    epoch: Number(epoch ?? 0),
    incarnation: owner === '' ? undefined : owner,
    node: node ?? '',
    beat: Number(beat ?? 0),
    openings: Number(openings ?? 0),
  };
}

function withoutSentinel(count: number): number {
  return Math.max(0, count - 1);
}

function outboxNumberOf(text: string): OutboxNumber {
  const [epoch = 0, number = 0] = text.split(' ').map(Number);
  return { epoch, number };
}

/** Pairs of a hash as a script gives them, without the sentinel. */
function entriesOf(fields: Fields): [string, string][] {
  const entries: [string, string][] = [];
  for (let at = 0; at + 1 < fields.length; at += 2)
    if (fields[at] !== '') entries.push([fields[at] as string, fields[at + 1] as string]);
  return entries;
}

function matches(letter: LetterHead, filter: DeadLetterFilterQuery): boolean {
  const { entityType, entityId, name, reason, since, until } = filter;
  if (entityType !== undefined && letter.entityType !== entityType) return false;
  if (entityId !== undefined && letter.entityId !== entityId) return false;
  if (name !== undefined && letter.name !== name) return false;
  if (reason !== undefined && letter.reason !== reason) return false;
  if (since !== undefined && letter.diedAt < since) return false;
  return until === undefined || letter.diedAt < until;
}

/** Runs of numbers that share a bucket, in order, none of them too long for one command. */
function byBucket(numbers: readonly number[]): [bucket: number, numbers: number[]][] {
  const runs: [number, number[]][] = [];
  for (const number of numbers) {
    const bucket = bucketOf(number);
    const last = runs.at(-1);
    if (last !== undefined && last[0] === bucket && last[1].length < PAGE) last[1].push(number);
    else runs.push([bucket, [number]]);
  }
  return runs;
}

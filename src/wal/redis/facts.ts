/**
 * What a commit must know of the stored shard, fetched when it turns out to be needed. Transitions run without waiting: a
 * look at something that is not known yet notes the wish and throws `Miss`; the caller fetches all wishes together and runs
 * the commit again from the start. This is sound because only the owner changes what is fetched here, and the commit is
 * fenced: if someone else owned the shard by then, nothing of it would be applied.
 */
import type { AttemptRecord, StoredMessage } from '../transition.js';
import { bucketOf, type ShardKeys } from './keys.js';
import {
  type Body,
  bodyOf,
  bodyText,
  bodyTextIn,
  type Corpse,
  type Held,
  headText,
  heldOf,
  type KeptVerdict,
  type LetterHead,
  letterHeadOf,
  letterHeadText,
  type Pointer,
  pointerOf,
  pointerText,
} from './records.js';
import { type RedisClient, runScript, SCRIPTS } from './scripts.js';
import { bucketOfName, toField } from './text.js';

/** Something must be fetched first; what was done until then is thrown away. */
export class Miss extends Error {
  override readonly name = 'Miss';
}

const MISS = new Miss('something must be fetched first');

/** Fields that one command asks for at most (M3). */
const FIELDS_MAX = 1_000;

/** How a kind of record lies on the server. */
export interface Layout<K, V> {
  key(keys: ShardKeys, key: K): string;
  field(key: K): string;
  encode(value: V): string;
  decode(text: string, key: K): V;
}

const byNumber = <V>(
  key: (keys: ShardKeys) => readonly string[],
  encode: (value: V) => string,
  decode: (text: string, number: number) => V,
): Layout<number, V> => ({
  key: (keys, number) => key(keys)[bucketOf(number)] as string,
  field: String,
  encode,
  decode,
});

const byName = <V>(
  key: (keys: ShardKeys) => readonly string[],
  encode: (value: V) => string,
  decode: (text: string) => V,
): Layout<string, V> => ({
  key: (keys, name) => key(keys)[bucketOfName(name)] as string,
  field: toField,
  encode,
  decode,
});

const parse = <V>(text: string): V => JSON.parse(text) as V;

function bodyInHeadOf(text: string): Body | undefined {
  const body = bodyTextIn(text);
  return body === undefined ? undefined : bodyOf(body);
}

function notWritten(): never {
  throw new Error('A body in a head is written with its head.');
}

export const LAYOUTS = {
  heads: byNumber<Held>(
    (keys) => keys.heads,
    headText,
    (text, seq) => heldOf(seq, text, null),
  ),
  bodies: byNumber<Body>((keys) => keys.bodies, bodyText, bodyOf),
  /** Bodies that stand in their heads: only read by this. */
  bodiesInHeads: byNumber<Body | undefined>((keys) => keys.heads, notWritten, bodyInHeadOf),
  pasts: byNumber<readonly AttemptRecord[]>((keys) => keys.pasts, JSON.stringify, parse),
  pointers: byName<Pointer>((keys) => keys.ids, pointerText, pointerOf),
  messageIds: byName<string>(
    (keys) => keys.messageIds,
    JSON.stringify,
    (text) => parse<string>(text),
  ),
  delayed: byNumber<StoredMessage>((keys) => keys.delayed, JSON.stringify, parse),
  letters: byNumber<LetterHead>((keys) => keys.letters, letterHeadText, letterHeadOf),
  corpses: byNumber<Corpse>((keys) => keys.corpses, JSON.stringify, parse),
  verdicts: byNumber<KeptVerdict>((keys) => keys.verdicts, JSON.stringify, parse),
} as const;

/** The known and the wanted records of one kind. Most commits need none, so nothing is made before the first. */
export class FactTable<K, V> {
  #known: Map<K, V | undefined> | undefined;
  #wanted: Set<K> | undefined;

  constructor(readonly layout: Layout<K, V>) {}

  get(key: K): V | undefined {
    const value = this.#known?.get(key);
    if (value !== undefined || this.#known?.has(key) === true) return value;
    this.#wanted ??= new Set();
    this.#wanted.add(key);
    throw MISS;
  }

  /** Whether nothing says that there is no such record. */
  mayBeStored(key: K): boolean {
    return this.#known?.has(key) !== true || this.#known.get(key) !== undefined;
  }

  /** The wishes as one command for each key, which fill `known` when they are answered. */
  fetches(keys: ShardKeys): Fetch[] {
    if (this.#wanted === undefined) return [];
    const byKey = new Map<string, K[]>();
    for (const wish of this.#wanted) {
      const key = this.layout.key(keys, wish);
      const wishes = byKey.get(key);
      if (wishes === undefined) byKey.set(key, [wish]);
      else wishes.push(wish);
    }
    this.#wanted = undefined;
    return [...byKey].flatMap(([key, wishes]) =>
      pieces(wishes).map((piece) => ({
        key,
        fields: piece.map((wish) => this.layout.field(wish)),
        answered: (texts: readonly (string | null)[]) => {
          this.#known ??= new Map();
          for (const [index, wish] of piece.entries()) {
            const text = texts[index] ?? null;
            this.#known.set(wish, text === null ? undefined : this.layout.decode(text, wish));
          }
        },
      })),
    );
  }
}

interface Fetch {
  readonly key: string;
  readonly fields: readonly string[];
  answered(texts: readonly (string | null)[]): void;
}

/** A kept verdict by its number, and the time it is kept until. */
export interface KeptTime {
  readonly order: number;
  readonly at: number;
}

export class Facts {
  readonly heads = new FactTable(LAYOUTS.heads);
  readonly bodies = new FactTable(LAYOUTS.bodies);
  readonly bodiesInHeads = new FactTable(LAYOUTS.bodiesInHeads);
  readonly pasts = new FactTable(LAYOUTS.pasts);
  readonly pointers = new FactTable(LAYOUTS.pointers);
  readonly messageIds = new FactTable(LAYOUTS.messageIds);
  readonly delayed = new FactTable(LAYOUTS.delayed);
  readonly letters = new FactTable(LAYOUTS.letters);
  readonly corpses = new FactTable(LAYOUTS.corpses);
  readonly verdicts = new FactTable(LAYOUTS.verdicts);
  #oldestKept: readonly KeptTime[] | undefined;
  #oldestIsAll = false;
  #oldestWanted = 0;
  #lastOwn: number | undefined;
  #lastOwnWanted: number | undefined;

  /** At least the first `count` kept verdicts, if there are so many. */
  oldestKept(count: number): readonly KeptTime[] {
    const known = this.#oldestKept;
    if (known !== undefined && (this.#oldestIsAll || known.length >= count)) return known;
    this.#oldestWanted = Math.max(this.#oldestWanted, count);
    throw MISS;
  }

  /** How far in the stored outbox the last message for this shard is; 0: there is none. */
  lastOwnOutgoing(shard: number): number {
    if (this.#lastOwn !== undefined) return this.#lastOwn;
    this.#lastOwnWanted = shard;
    throw MISS;
  }

  /** Fetches everything that was wished for. */
  async fetch(client: RedisClient, keys: ShardKeys): Promise<void> {
    const fetches = [
      this.heads,
      this.bodies,
      this.bodiesInHeads,
      this.pasts,
      this.pointers,
      this.messageIds,
      this.delayed,
      this.letters,
      this.corpses,
      this.verdicts,
    ].flatMap((table) => table.fetches(keys));
    const work = fetches.map(async (wishes) => wishes.answered(await client.hmget(wishes.key, ...wishes.fields)));
    if (this.#oldestWanted > 0) {
      const count = this.#oldestWanted;
      this.#oldestWanted = 0;
      work.push(
        // The first one is the sentinel.
        client.zrange(keys.kept, 1, String(count), 'WITHSCORES').then((members) => {
          const found: KeptTime[] = [];
          for (let at = 0; at < members.length; at += 2)
            found.push({ order: Number(members[at]), at: Number(members[at + 1]) });
          this.#oldestKept = found;
          this.#oldestIsAll = found.length < count;
        }),
      );
    }
    if (this.#lastOwnWanted !== undefined) {
      const wanted = runScript(client, SCRIPTS.lastOutgoing, [keys.outbox], [String(this.#lastOwnWanted)]);
      this.#lastOwnWanted = undefined;
      work.push(
        wanted.then((last) => {
          this.#lastOwn = Number(last);
        }),
      );
    }
    await Promise.all(work);
  }
}

function pieces<T>(items: readonly T[]): (readonly T[])[] {
  if (items.length <= FIELDS_MAX) return [items];
  const cut: T[][] = [];
  for (let at = 0; at < items.length; at += FIELDS_MAX) cut.push(items.slice(at, at + FIELDS_MAX));
  return cut;
}

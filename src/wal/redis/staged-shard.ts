/**
 * A shard of the new layout while a reshard fills it: it gives everything a new place, keeps the counts, and writes in
 * pieces. It stands beside the old shards, and nobody else knows it.
 */
import type { StoredMessage } from '../transition.js';
import { stateOf } from './actor-states.js';
import { dueMember, reminderMember } from './delayed-members.js';
import { LAYOUTS } from './facts.js';
import { bucketOf, type ShardKeys, shardKeysByKind } from './keys.js';
import { numbersOf, numbersText, type RedisShardNumbers } from './numbers.js';
import { replyText } from './polled-replies.js';
import { type Held, headWithBody, type LetterHead, numberInId, type Pointer, pointerOf } from './records.js';
import type { RedisClient } from './scripts.js';
import { bucketOfName, fromField, toField } from './text.js';

/** Arguments of one command, and characters that wait to be written, at most. */
const ARGUMENTS_MAX = 1_000;
const WAITING_CHARACTERS_MAX = 4_000_000;

type Kind = 'HSET' | 'ZADD' | 'RPUSH' | 'SADD';

export interface StagedMeta {
  readonly epoch: number;
  readonly beat: number;
  readonly format: string;
  /** Who is to count as its last owner; empty: it was released. */
  readonly incarnation: string;
}

export class StagedShard {
  readonly numbers: RedisShardNumbers = numbersOf(undefined);
  /** Offers in quarantine. */
  quarantined = 0;
  readonly #writes = new Map<string, { readonly kind: Kind; readonly args: string[] }>();
  readonly #letterTypes = new Map<string, number>();
  readonly #lists = new Set<string>();
  #waiting = 0;

  constructor(
    readonly shard: number,
    readonly keys: ShardKeys,
    private readonly client: RedisClient,
  ) {}

  /** The next message of the line. Its body and past are copied as they are, and the body stays where it stands. */
  addMessage(held: Held, body: string, past: string | undefined): void {
    const { numbers } = this;
    const seq = numbers.nextSeq;
    const bucket = bucketOf(seq);
    const field = String(seq);
    const indexed = numberInId(held.id) !== seq;
    numbers.nextSeq += 1;
    numbers.inLine += 1;
    const { heads, bodies, pasts, run } = this.keys;
    const head = LAYOUTS.heads.encode({ ...held, seq, indexed });
    this.#add('HSET', heads[bucket], field, held.bodyInHead ? headWithBody(head, body) : head);
    if (!held.bodyInHead) this.#add('HSET', bodies[bucket], field, body);
    if (past !== undefined) this.#add('HSET', pasts[bucket], field, past);
    if (held.state === 'dispatched') this.#add('HSET', run, field, String(held.attempt));
    if (held.state === 'blocked') this.#add('ZADD', this.keys.blocked, field, field);
    if (indexed) this.#point(held.id, { seq });
  }

  addDelayed(message: StoredMessage): void {
    const order = this.numbers.nextDelayed;
    this.numbers.nextDelayed += 1;
    this.numbers.delayed += 1;
    this.#add('HSET', LAYOUTS.delayed.key(this.keys, order), String(order), LAYOUTS.delayed.encode(message));
    this.#add('ZADD', this.keys.due, String(message.notBefore), dueMember(order, message));
    if (message.recurrence !== undefined)
      this.#add('ZADD', this.keys.reminders, String(order), reminderMember(order, message));
    this.#point(message.id, { delayed: order });
  }

  addLetter(head: LetterHead, corpse: string): void {
    const number = this.numbers.nextLetter;
    this.numbers.nextLetter += 1;
    this.numbers.letters += 1;
    this.#add('HSET', LAYOUTS.letters.key(this.keys, number), String(number), LAYOUTS.letters.encode(head));
    this.#add('HSET', LAYOUTS.corpses.key(this.keys, number), String(number), corpse);
    this.#letterTypes.set(head.entityType, (this.#letterTypes.get(head.entityType) ?? 0) + 1);
    this.#point(head.id, { letter: number });
  }

  /** Kept verdicts; all letters must be there already, since an id may have both. */
  async addVerdicts(
    verdicts: readonly { readonly id: string; readonly at: number; readonly text: string }[],
  ): Promise<void> {
    await this.flush();
    const pointers = await Promise.all(
      verdicts.map(({ id }) => this.client.hget(this.keys.ids[bucketOfName(id)] as string, toField(id))),
    );
    for (const [index, { id, at, text }] of verdicts.entries()) {
      const order = this.numbers.nextKept;
      this.numbers.nextKept += 1;
      this.numbers.verdicts += 1;
      this.#add('HSET', LAYOUTS.verdicts.key(this.keys, order), String(order), text);
      this.#add('ZADD', this.keys.kept, String(at), String(order).padStart(16, '0'));
      const { note, polled, verdict } = LAYOUTS.verdicts.decode(text, order);
      if (note === true) continue;
      if (polled === true) this.#add('HSET', this.keys.replies[bucketOfName(id)], toField(id), replyText(verdict));
      this.#point(id, { ...pointerOf(pointers[index] ?? ''), verdict: order });
    }
  }

  /** A field of a hash that is bucketed by name, or of a single one, as it stands. */
  copyField(key: (keys: ShardKeys) => string | readonly string[], field: string, value: string): void {
    const found = key(this.keys);
    this.#add('HSET', typeof found === 'string' ? found : found[bucketOfName(fromField(field))], field, value);
  }

  /** An actor state as it stands, under its entity's field. */
  addState(field: string, text: string): void {
    this.copyField((keys) => keys.states, field, text);
    const { until } = stateOf(text);
    if (until !== undefined) this.#add('ZADD', this.keys.stateTimes, String(until), field);
  }

  addQuarantined(text: string): void {
    this.quarantined += 1;
    this.#add('RPUSH', this.keys.quarantine, text);
  }

  allowTypes(types: readonly string[]): void {
    for (const type of types) this.#add('SADD', this.keys.types, type);
  }

  /** Messages that ended in former shards, whose counts live on here. */
  addEnded(from: RedisShardNumbers): void {
    for (const state of ['completed', 'failed', 'interrupted', 'expired', 'cancelled'] as const) {
      this.numbers[state] += from[state];
      this.numbers.accepted += from[state];
    }
  }

  get isFull(): boolean {
    return this.#waiting > WAITING_CHARACTERS_MAX;
  }

  /** Everything but this is there: the shard is complete. */
  async finish({ epoch, beat, format, incarnation }: StagedMeta): Promise<void> {
    const { numbers, keys } = this;
    const pending = numbers.inLine + numbers.delayed;
    numbers.accepted += pending;
    for (const [type, letters] of this.#letterTypes)
      this.#add('HSET', keys.letterTypes, toField(type), String(letters));
    // Every key has its sentinel before anyone reads, as in a shard that was opened.
    const { hash, zset, list, set } = shardKeysByKind(keys);
    for (const key of hash) this.#add('HSET', key, '', '');
    for (const key of zset) this.#add('ZADD', key, '-inf', '');
    for (const key of set) this.#add('SADD', key, '');
    for (const key of list) this.#add('RPUSH', key);
    await this.flush();
    await this.client.hset(keys.meta, {
      epoch: String(epoch),
      incarnation,
      node: '',
      beat: String(beat),
      number: '0',
      tag: '',
      format,
      numbers: numbersText(numbers),
      pending: String(pending),
    });
  }

  async flush(): Promise<void> {
    const writes = [...this.#writes];
    this.#writes.clear();
    this.#waiting = 0;
    await Promise.all(
      writes.flatMap(([key, { kind, args }]) => {
        const calls: Promise<unknown>[] = [];
        for (let at = 0; at < args.length; at += ARGUMENTS_MAX)
          calls.push(this.client.call(kind, key, ...args.slice(at, at + ARGUMENTS_MAX)));
        return calls;
      }),
    );
  }

  #point(id: string, pointer: Pointer): void {
    this.#add('HSET', this.keys.ids[bucketOfName(id)], toField(id), LAYOUTS.pointers.encode(pointer));
  }

  #add(kind: Kind, key: string | undefined, ...args: readonly string[]): void {
    if (key === undefined) throw new Error('There is no such bucket.');
    let write = this.#writes.get(key);
    if (write === undefined) {
      write = { kind, args: [] };
      this.#writes.set(key, write);
      // A list begins with its sentinel.
      if (kind === 'RPUSH' && !this.#lists.has(key)) write.args.push('');
      this.#lists.add(key);
    }
    for (const arg of args) {
      write.args.push(arg);
      this.#waiting += arg.length;
    }
  }
}

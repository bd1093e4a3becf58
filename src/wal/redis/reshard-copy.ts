/**
 * Copies the shards of a service group into staged shards of another number. Reads the old ones and changes nothing in
 * them. What belongs to one entity comes from one shard and goes to one shard, in its order (I4).
 */
import { type EntityKey, entityKey } from '../../message/entity-key.js';
import { sliceOf } from '../../message/shard-of.js';
import type { PausedLine } from '../wal.js';
import { LAYOUTS } from './facts.js';
import { bucketOf, type ShardKeys } from './keys.js';
import { numbersOf } from './numbers.js';
import { ShardReads } from './reads.js';
import { bodyTextIn, type Held, type LetterHead } from './records.js';
import type { RedisClient } from './scripts.js';
import type { StagedShard } from './staged-shard.js';
import { fromField } from './text.js';

export interface CopyOptions {
  readonly client: RedisClient;
  /** The group's shards as they are, in order. */
  readonly sources: readonly ShardKeys[];
  /** What they become, in order. */
  readonly targets: readonly StagedShard[];
  /** Told how many messages, letters and the like more were copied. */
  readonly copied: (count: number) => void;
}

/** Messages with their payloads that are read at once. */
const MESSAGES_AT_ONCE = 100;
const RECORDS_AT_ONCE = 500;

export async function copyGroup(options: CopyOptions): Promise<void> {
  const { sources, targets } = options;
  for (const [slice, keys] of sources.entries()) {
    const heir = targets[slice % targets.length] as StagedShard;
    await copyLine(options, keys);
    await copyDelayed(options, keys);
    await copyByName(options, keys);
    await copyPauses(options, keys);
    await checkOutbox(options, keys);
    heir.addEnded(numbersOf(await options.client.hget(keys.meta, 'numbers')));
    for (const text of (await options.client.lrange(keys.quarantine, 0, -1)).filter((each) => each !== ''))
      heir.addQuarantined(text);
    await flushAll(targets);
  }
  await copyLetters(options);
  for (const keys of sources) await copyVerdicts(options, keys);
  await copyTypes(options);
  await flushAll(targets);
}

async function copyLine(options: CopyOptions, keys: ShardKeys): Promise<void> {
  const { client, copied } = options;
  const reads = new ShardReads(client, keys);
  for (let after = 0; ; ) {
    const page = await reads.scan(after, MESSAGES_AT_ONCE);
    if (page.length === 0) return;
    const bodies = await bodyTextsOf(client, keys, page);
    const pasts = await fieldsOf(
      client,
      keys.pasts,
      page.filter(({ hasPast }) => hasPast).map(({ seq }) => seq),
    );
    for (const held of page) {
      const body = bodies.get(held.seq);
      if (body === undefined) throw new Error(`The content of the message ${held.id} is missing in ${keys.meta}.`);
      targetOf(options, held).addMessage(held, body, pasts.get(held.seq));
    }
    copied(page.length);
    await flushFull(options.targets);
    after = (page.at(-1) as Held).seq;
  }
}

/** The bodies of messages, as texts, from wherever they stand. */
async function bodyTextsOf(
  client: RedisClient,
  keys: ShardKeys,
  page: readonly Held[],
): Promise<ReadonlyMap<number, string>> {
  const placesOf = (inHead: boolean): readonly number[] =>
    page.filter(({ bodyInHead }) => bodyInHead === inHead).map(({ seq }) => seq);
  const [heads, apart] = await Promise.all([
    fieldsOf(client, keys.heads, placesOf(true)),
    fieldsOf(client, keys.bodies, placesOf(false)),
  ]);
  const texts = new Map(apart);
  for (const [seq, head] of heads) {
    const body = bodyTextIn(head);
    if (body !== undefined) texts.set(seq, body);
  }
  return texts;
}

async function copyDelayed(options: CopyOptions, keys: ShardKeys): Promise<void> {
  await eachPage(options, keys.delayed, (texts) => {
    for (const [order, text] of texts) {
      const message = LAYOUTS.delayed.decode(text, order);
      targetOf(options, message).addDelayed(message);
    }
  });
}

/** Idempotency keys and actor states: their names say whose they are. */
async function copyByName(options: CopyOptions, keys: ShardKeys): Promise<void> {
  const { client, targets } = options;
  for (const bucket of keys.messageIds) {
    for await (const fields of scanHash(client, bucket)) {
      for (const [field, value] of fields)
        targetAt(options, entityOfMessageKey(fromField(field))).copyField((of) => of.messageIds, field, value);
      await flushFull(targets);
    }
  }
  for (const bucket of keys.states) {
    for await (const fields of scanHash(client, bucket)) {
      for (const [field, text] of fields) targetAt(options, fromField(field) as EntityKey).addState(field, text);
      await flushFull(targets);
    }
  }
}

/** A pause of a whole type holds in every shard that its entities are in. */
async function copyPauses(options: CopyOptions, keys: ShardKeys): Promise<void> {
  for (const [field, text] of Object.entries(await options.client.hgetall(keys.paused))) {
    if (field === '') continue;
    const { entityType, entityId } = JSON.parse(text) as PausedLine;
    const targets = entityId === undefined ? options.targets : [targetOf(options, { entityType, entityId })];
    for (const target of targets) target.copyField((of) => of.paused, field, text);
  }
}

/**
 * Outgoing messages were relayed before: whether their target has them is known from marks under the numbers of the old
 * shards, which mean nothing in the new layout (M11, M15).
 */
async function checkOutbox({ client }: CopyOptions, keys: ShardKeys): Promise<void> {
  const length = (await client.llen(keys.outbox)) - 1;
  if (length > 0) throw new Error(`${length} outgoing messages in ${keys.outbox} were not relayed.`);
}

/** By the time of death over all shards, so that the oldest ones still come first. */
async function copyLetters(options: CopyOptions): Promise<void> {
  const { client, sources } = options;
  const letters: { readonly head: LetterHead; readonly number: number; readonly keys: ShardKeys }[] = [];
  for (const keys of sources) {
    for (const key of keys.letters) {
      for await (const fields of scanHash(client, key)) {
        for (const [field, text] of fields) {
          const number = Number(field);
          letters.push({ head: LAYOUTS.letters.decode(text, number), number, keys });
        }
      }
    }
  }
  letters.sort((a, b) => a.head.diedAt - b.head.diedAt || a.number - b.number);
  for (let at = 0; at < letters.length; at += MESSAGES_AT_ONCE) {
    const page = letters.slice(at, at + MESSAGES_AT_ONCE);
    const corpses = await Promise.all(
      page.map(({ keys, number }) => client.hget(LAYOUTS.corpses.key(keys, number), String(number))),
    );
    for (const [index, { head }] of page.entries()) {
      const corpse = corpses[index] ?? null;
      if (corpse === null) throw new Error(`The content of the dead letter ${head.id} is missing.`);
      targetOf(options, head).addLetter(head, corpse);
    }
    options.copied(page.length);
    await flushFull(options.targets);
  }
}

async function copyVerdicts(options: CopyOptions, keys: ShardKeys): Promise<void> {
  await eachPage(options, keys.verdicts, async (texts) => {
    const byTarget = new Map<StagedShard, { id: string; at: number; text: string }[]>();
    for (const [order, text] of texts) {
      const kept = LAYOUTS.verdicts.decode(text, order);
      const target = targetOf(options, kept);
      const verdicts = byTarget.get(target) ?? [];
      byTarget.set(target, verdicts);
      verdicts.push({ id: kept.id, at: kept.at, text });
    }
    for (const [target, verdicts] of byTarget) await target.addVerdicts(verdicts);
  });
}

async function copyTypes({ client, sources, targets }: CopyOptions): Promise<void> {
  const types = new Set<string>();
  for (const keys of sources) for (const type of await client.smembers(keys.types)) types.add(type);
  for (const target of targets) target.allowTypes([...types]);
}

/** All records of a kind, in the order of their numbers. */
async function eachPage(
  options: CopyOptions,
  buckets: readonly string[],
  take: (texts: ReadonlyMap<number, string>) => void | Promise<void>,
): Promise<void> {
  const { client, targets, copied } = options;
  const numbers = new Set<number>();
  for (const bucket of buckets)
    for (const field of await client.hkeys(bucket)) if (field !== '') numbers.add(Number(field));
  const sorted = [...numbers].sort((a, b) => a - b);
  for (let at = 0; at < sorted.length; at += RECORDS_AT_ONCE) {
    const texts = await fieldsOf(client, buckets, sorted.slice(at, at + RECORDS_AT_ONCE));
    await take(texts);
    copied(texts.size);
    await flushFull(targets);
  }
}

/** What lies under these numbers, in their order. */
async function fieldsOf(
  client: RedisClient,
  buckets: readonly string[],
  numbers: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const texts = new Map<number, string>();
  const byBucket = new Map<number, number[]>();
  for (const number of numbers) {
    const bucket = bucketOf(number);
    const some = byBucket.get(bucket) ?? [];
    byBucket.set(bucket, some);
    some.push(number);
    texts.set(number, '');
  }
  await Promise.all(
    [...byBucket].map(async ([bucket, some]) => {
      const found = await client.hmget(buckets[bucket] as string, ...some.map(String));
      for (const [index, number] of some.entries()) {
        const text = found[index] ?? null;
        if (text === null) texts.delete(number);
        else texts.set(number, text);
      }
    }),
  );
  return texts;
}

/** The fields of a hash in pages, each once, without the sentinel. */
async function* scanHash(client: RedisClient, key: string): AsyncGenerator<readonly (readonly [string, string])[]> {
  const seen = new Set<string>();
  let cursor = '0';
  do {
    const [next, flat] = await client.hscan(key, cursor, 'COUNT', RECORDS_AT_ONCE);
    cursor = next;
    const page: (readonly [string, string])[] = [];
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const field = flat[at] as string;
      if (field === '' || seen.has(field)) continue;
      seen.add(field);
      page.push([field, flat[at + 1] as string]);
    }
    yield page;
  } while (cursor !== '0');
}

function targetOf(
  options: CopyOptions,
  entity: { readonly entityType: string; readonly entityId: string },
): StagedShard {
  return targetAt(options, entityKey(entity.entityType, entity.entityId));
}

function targetAt({ targets }: CopyOptions, key: EntityKey): StagedShard {
  return targets[sliceOf(key, targets.length)] as StagedShard;
}

/** The entity in a `messageKey`: type, length of the id, id and `messageId`. */
function entityOfMessageKey(key: string): EntityKey {
  const typeEnd = key.indexOf('\n');
  const lengthEnd = key.indexOf('\n', typeEnd + 1);
  const length = Number(key.slice(typeEnd + 1, lengthEnd));
  return entityKey(key.slice(0, typeEnd), key.slice(lengthEnd + 1, lengthEnd + 1 + length));
}

async function flushFull(targets: readonly StagedShard[]): Promise<void> {
  if (targets.some(({ isFull }) => isFull)) await flushAll(targets);
}

async function flushAll(targets: readonly StagedShard[]): Promise<void> {
  for (const target of targets) await target.flush();
}

/** What can be read of a shard beside its line: actor states, reminders, blocked places, the outbox, the inbox. */
import { entityKey } from '../../message/entity-key.js';
import { messageKey } from '../shard-data.js';
import type { QuarantinedOffer } from '../shared-wal.js';
import type { AttemptRecord, OutboxEntry } from '../transition.js';
import type {
  BlockedMessage,
  DueMessages,
  EntityRef,
  PausedLine,
  Reminder,
  ReminderQuery,
  StatusRecord,
} from '../wal.js';
import { readStates } from './actor-states.js';
import { dueMemberOf, reminderMemberOf } from './delayed-members.js';
import { LAYOUTS } from './facts.js';
import { bucketOf, type ShardKeys } from './keys.js';
import { type InboxRules, readEntry, type ShownEntry } from './offers.js';
import { type Held, headOf } from './records.js';
import { type RedisClient, runScript, SCRIPTS } from './scripts.js';
import { toField } from './text.js';

const PAGE = 1_000;
/** Looks at reminders that move while they are looked at. */
const TRIES_MAX = 10;
/** Entries of the inbox that are looked through for one id, and in one go. */
const INBOX_SEARCHED_MAX = 10_000;
const INBOX_PAGE = 250;

export class SideReads {
  constructor(
    private readonly client: RedisClient,
    private readonly keys: ShardKeys,
    private readonly held: (seqs: readonly number[]) => Promise<readonly Held[]>,
  ) {}

  async due(now: number, limit: number): Promise<DueMessages> {
    for (let tries = 1; ; tries++) {
      const found = await this.#due(now, Math.max(0, limit), tries >= TRIES_MAX);
      if (found !== undefined) return found;
    }
  }

  /** Undefined: a reminder has moved between two looks; if that is not to be `skipped`. */
  async #due(now: number, limit: number, skips: boolean): Promise<DueMessages | undefined> {
    const members = await this.client.zrange(this.keys.due, 1, String(limit + 1), 'WITHSCORES');
    const ids: string[] = [];
    const orders = new Map<number, string>();
    let next: { readonly nextDueAt?: number } = {};
    for (let at = 0; at < members.length; at += 2) {
      const score = Number(members[at + 1]);
      if (score > now || ids.length >= limit) {
        next = { nextDueAt: score };
        break;
      }
      const { order, id, recurs } = dueMemberOf(members[at] as string);
      if (recurs) orders.set(order, id);
      ids.push(id);
    }
    if (orders.size === 0) return { ids, ...next };
    const messages = await this.#delayed([...orders.keys()]);
    if (messages.size < orders.size && !skips) return undefined;
    const recurring: Record<string, { recurrence: string; notBefore: number }> = {};
    for (const { id, recurrence, notBefore } of messages.values())
      if (recurrence !== undefined) recurring[id] = { recurrence, notBefore };
    const moved = new Set([...orders].flatMap(([order, id]) => (messages.has(order) ? [] : [id])));
    return { ids: ids.filter((id) => !moved.has(id)), ...next, recurring };
  }

  async reminders({ entityType, entityId, after = 0, limit }: ReminderQuery): Promise<readonly Reminder[]> {
    const found: Reminder[] = [];
    for (let last = Math.max(0, after); found.length < limit; ) {
      const members = await this.client.zrangebyscore(this.keys.reminders, `(${last}`, '+inf', 'LIMIT', 0, PAGE);
      const page = members.map(reminderMemberOf);
      const room = limit - found.length;
      const wanted = page
        .filter((one) => entityType === undefined || one.entityType === entityType)
        .filter((one) => entityId === undefined || one.entityId === entityId)
        .slice(0, room);
      for (const [order, message] of await this.#delayed(wanted.map(({ order }) => order)))
        found.push({ order, message });
      if (wanted.length < room && page.length < PAGE) break;
      last = (wanted.length < room ? page : wanted).at(-1)?.order ?? last;
    }
    return found;
  }

  /** Delayed messages by their numbers, in the order of the numbers. */
  async #delayed(orders: readonly number[]) {
    const layout = LAYOUTS.delayed;
    const byBucket = new Map<string, number[]>();
    for (const order of orders) {
      const key = layout.key(this.keys, order);
      const some = byBucket.get(key);
      if (some === undefined) byBucket.set(key, [order]);
      else some.push(order);
    }
    const found = new Map<number, ReturnType<typeof layout.decode>>();
    await Promise.all(
      [...byBucket].map(async ([key, some]) => {
        const texts = await this.client.hmget(key, ...some.map(String));
        for (const [index, order] of some.entries()) {
          const text = texts[index] ?? null;
          if (text !== null) found.set(order, layout.decode(text, order));
        }
      }),
    );
    return new Map([...found].sort(([left], [right]) => left - right));
  }

  async actorStates(entities: readonly EntityRef[], now: number): Promise<readonly (string | undefined)[]> {
    const names = entities.map(({ entityType, entityId }) => entityKey(entityType, entityId));
    return readStates(this.client, this.keys, names, now);
  }

  async blocked(afterSeq: number, limit: number): Promise<readonly BlockedMessage[]> {
    const { client, keys } = this;
    if (!(limit > 0)) return [];
    const places = await client.zrangebyscore(keys.blocked, `(${Math.max(0, afterSeq)}`, '+inf', 'LIMIT', 0, limit);
    const found = (await this.held(places.map(Number))).filter(({ state }) => state === 'blocked');
    const pasts = await Promise.all(found.map(({ seq }) => client.hget(keys.pasts[bucketOf(seq)] as string, `${seq}`)));
    return found.map((held, index) => {
      const last = (JSON.parse(pasts[index] ?? '[]') as AttemptRecord[]).at(-1);
      const error = last?.error === undefined ? {} : { error: last.error };
      return { ...headOf(held), id: held.id, blockedAt: last?.at ?? 0, ...error };
    });
  }

  async paused(): Promise<readonly PausedLine[]> {
    const lines = Object.entries(await this.client.hgetall(this.keys.paused));
    return lines.filter(([key]) => key !== '').map(([, line]) => JSON.parse(line) as PausedLine);
  }

  async outbox(limit: number): Promise<readonly OutboxEntry[]> {
    if (limit <= 0) return [];
    return (await this.client.lrange(this.keys.outbox, 1, limit)).map((text) => JSON.parse(text) as OutboxEntry);
  }

  async offerMark(session: string): Promise<number> {
    return Number((await this.client.hget(this.keys.taken, toField(session))) ?? 0);
  }

  /** The id under which a message with this idempotency key was taken in last. */
  async idOf({ entityType, entityId }: EntityRef, messageId: string): Promise<string | undefined> {
    const key = messageKey(entityType, entityId, messageId);
    const text = await this.client.hget(LAYOUTS.messageIds.key(this.keys, key), LAYOUTS.messageIds.field(key));
    return text === null ? undefined : LAYOUTS.messageIds.decode(text, key);
  }

  async quarantine(limit: number): Promise<readonly QuarantinedOffer[]> {
    if (limit <= 0) return [];
    const texts = await this.client.lrange(this.keys.quarantine, -limit, -1);
    return texts
      .filter((text) => text !== '')
      .map((text) => JSON.parse(text) as QuarantinedOffer)
      .reverse();
  }

  /**
   * A message that is offered and not taken in. Looks at the newest entries first: the owner takes the oldest ones out, by
   * which all others come nearer, so that none is missed on the way.
   */
  async offered(id: string, rules: InboxRules): Promise<StatusRecord | undefined> {
    const { client, keys } = this;
    const last = (await client.llen(keys.inbox)) - 1;
    const needle = plainPartOf(id);
    for (let to = last; to > Math.max(0, last - INBOX_SEARCHED_MAX); to -= INBOX_PAGE) {
      const from = Math.max(1, to - INBOX_PAGE + 1);
      const args = [from, to, rules.bytesMax].map(String);
      const entries = (await runScript(client, SCRIPTS.findOffers, [keys.inbox], [...args, needle])) as ShownEntry[];
      for (const entry of entries) {
        const { offer } = readEntry(entry, rules);
        if (offer?.transition.type !== 'append' || offer.transition.message.id !== id) continue;
        const { entityType, entityId } = offer.transition.message;
        return { id, state: 'enqueued', entityType, entityId, attempt: 0, isOffered: true };
      }
    }
    return undefined;
  }
}

/** The longest part of a text that every JSON encoder writes as it is. */
function plainPartOf(text: string): string {
  return (text.match(/[A-Za-z0-9_.:~ -]+/g) ?? []).reduce(
    (best, part) => (part.length > best.length ? part : best),
    '',
  );
}

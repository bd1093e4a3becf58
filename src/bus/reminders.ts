/**
 * Reminders: messages that an entity gets again and again, by a cron pattern or an interval. One for each name of an
 * entity; setting it again replaces it. Each run is an ordinary message in the entity's line.
 *
 * They are kept in the shard of their entity as delayed messages with a schedule, under an id that follows from entity and
 * name, so that any node finds them. The owner of the shard sends the runs; see `src/entity/delayed-messages.ts`.
 */
import { createHash } from 'node:crypto';
import type { IntrospectionPart } from '../contracts/introspection.js';
import { isForgotten, type Recurrence, readRecurrence } from '../entity/recurrence.js';
import { checkReminderName, type ReminderSchedule, recurrenceOf } from '../entity/reminder-schedule.js';
import type { Submission } from '../entity/submission.js';
import { decodePayload } from '../message/codec.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { StoredMessage } from '../wal/transition.js';
import type { Wal } from '../wal/wal.js';
import type { AtomicQueuesNode } from './node.js';

/** A reminder as it stands in the store. */
export interface Reminder {
  /** Unique to its entity. */
  readonly name: string;
  readonly entityType: string;
  readonly entityId: string;
  /** Wire name of the message that it sends. */
  readonly message: string;
  readonly payload: unknown;
  readonly cron?: string | undefined;
  readonly everyMs?: number | undefined;
  /** Of `cron`; absent: UTC. */
  readonly timezone?: string | undefined;
  /** When it is due next, milliseconds since the epoch; in the past: it is due, and nobody has run it yet. */
  readonly nextRunAt: number;
  /** Not due after, milliseconds since the epoch. */
  readonly endAt?: number | undefined;
  readonly missed: 'skip' | 'all';
  readonly overlap: boolean;
  /** The message of its last run. */
  readonly lastRunId?: string | undefined;
}

export interface ReminderFilter {
  readonly entityType?: string | undefined;
  /** Only with `entityType`. */
  readonly entityId?: string | undefined;
  /** At most so many. Default 1000. */
  readonly limit?: number | undefined;
}

const LIMIT = 1_000;
const PAGE = 500;

export class Reminders {
  constructor(private readonly node: AtomicQueuesNode) {}

  /** @throws AtomicQueuesError (as a rejection). */
  async set(name: string, make: () => Submission, schedule: ReminderSchedule): Promise<void> {
    const { node } = this;
    if (!node.isOpen) await node.whenOpen();
    const { kind, entityType, entityId, name: message, payload, options } = make();
    const subject = { entityType, entityId, name: message };
    checkReminderName(name, subject);
    if (kind === 'query') {
      throw new AtomicQueuesError('INVALID_PAYLOAD', `"${message}" is a query; a reminder sends commands.`, {
        subject,
      });
    }
    const { recurrence, firstAt } = recurrenceOf(name, schedule, node.runtime.clock.now(), subject);
    await node.engine.door.remind(
      { kind, isVolatile: false, entityType, entityId, name: message, payload, options },
      { id: reminderId(entityType, entityId, name), recurrence: JSON.stringify(recurrence), firstAt },
    );
  }

  async forget(entityType: string, entityId: string, name: string): Promise<void> {
    const { node } = this;
    if (!node.isOpen) await node.whenOpen();
    checkReminderName(name, { entityType, entityId });
    await node.engine.door.forgetReminder(entityType, entityId, reminderId(entityType, entityId, name), name);
  }

  /**
   * Reminders in the order in which they were set, as the store has them: one that was handed in just now is there when
   * the owner of its entity has taken it in.
   * @throws AtomicQueuesError (as a rejection) `INVALID_PAYLOAD` for a filter that makes no sense.
   */
  async list(filter: ReminderFilter = {}): Promise<Reminder[]> {
    const { node } = this;
    checkFilter(filter);
    const { entityType, entityId, limit } = filter;
    const stored = await node.call(() => {
      const one =
        entityType === undefined || entityId === undefined ? undefined : node.engine.shardOf(entityType, entityId);
      const shards = one === undefined ? node.engine.shards() : [one];
      return readReminders(node.wal, shards, { entityType, entityId, limit });
    });
    return stored.map(({ message, recurrence }) =>
      described(message, recurrence, decodePayload(message.payload, node.config, `Payload of a reminder`)),
    );
  }
}

const FILTER_KEYS = ['entityType', 'entityId', 'limit'];

function checkFilter(filter: ReminderFilter): void {
  const wrong = Object.keys(filter).find((key) => !FILTER_KEYS.includes(key));
  if (wrong !== undefined) throw refusedFilter(`"${wrong}" is none of ${FILTER_KEYS.join(', ')}`);
  const { entityType, entityId, limit } = filter;
  if (entityId !== undefined && entityType === undefined) throw refusedFilter('entityId needs entityType beside it');
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0))
    throw refusedFilter(`limit is ${String(limit)}; expected a whole number from 0 on`);
}

function refusedFilter(why: string): AtomicQueuesError {
  return new AtomicQueuesError('INVALID_PAYLOAD', `Which reminders: ${why}.`);
}

interface FoundReminder {
  readonly message: StoredMessage;
  readonly recurrence: Recurrence;
  readonly shard: number;
}

/** What is in these shards, in the order in which it was set; what nobody here can read is left out. */
export async function readReminders(
  wal: Pick<Wal, 'reminders'>,
  shards: readonly number[],
  { limit = LIMIT, ...filter }: ReminderFilter,
): Promise<readonly FoundReminder[]> {
  const found: FoundReminder[] = [];
  if (limit <= 0) return found;
  for await (const reminder of eachReminder(wal, shards, filter)) {
    found.push(reminder);
    if (found.length >= limit) break;
  }
  return found;
}

/** For `introspect()`: how many reminders there are, by the type of their entities. */
export async function remindersPart(
  wal: Pick<Wal, 'reminders'>,
  shards: readonly number[],
): Promise<IntrospectionPart> {
  const counts = new Map<string, number>();
  for await (const { message } of eachReminder(wal, shards, {})) {
    counts.set(message.entityType, (counts.get(message.entityType) ?? 0) + 1);
  }
  const byType = [...counts]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([entityType, count]) => ({ entityType, count }));
  return { data: byType, lines: byType.map(({ entityType, count }) => `${entityType}: ${count}`) };
}

async function* eachReminder(
  wal: Pick<Wal, 'reminders'>,
  shards: readonly number[],
  { entityType, entityId }: ReminderFilter,
): AsyncGenerator<FoundReminder> {
  for (const shard of shards) {
    let after = 0;
    for (;;) {
      const page = await wal.reminders(shard, { entityType, entityId, after, limit: PAGE });
      for (const { message } of page) {
        const recurrence = readRecurrence(message.recurrence ?? '');
        if (recurrence !== undefined && !isForgotten(recurrence)) yield { message, recurrence, shard };
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) break;
      after = last.order;
    }
  }
}

/** A reminder as its users see it. */
export function described(message: StoredMessage, recurrence: Recurrence, payload: unknown): Reminder {
  const { entityType, entityId, name, notBefore, lastRunId } = message;
  const { name: reminder, cron, everyMs, timezone, endAt, missed, overlap } = recurrence;
  return {
    name: reminder,
    entityType,
    entityId,
    message: name,
    payload,
    ...(cron !== undefined && { cron }),
    ...(everyMs !== undefined && { everyMs }),
    ...(timezone !== undefined && { timezone }),
    nextRunAt: notBefore,
    ...(endAt !== undefined && { endAt }),
    missed,
    overlap,
    ...(lastRunId !== undefined && { lastRunId }),
  };
}

/** The same for the same entity and name, on every node: what is set again replaces what was there. */
export function reminderId(entityType: string, entityId: string, name: string): string {
  const text = `${entityType}\n${entityId.length}\n${entityId}${name}`;
  return `reminder.${createHash('sha256').update(text).digest('base64url').slice(0, 27)}`;
}

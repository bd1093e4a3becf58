/**
 * What a new owner does with what the last one left: messages that may have started are interrupted (or go back to their
 * place), and everything in line is found again, in order, as places in the store. Payloads stay there until needed, so a
 * backlog larger than memory can be taken over (I10).
 */
import { entityKey } from '../message/entity-key.js';
import type { Participant } from '../wal/group-commit.js';
import type { MessageHead } from '../wal/wal.js';
import type { ShardOwner } from './shard-owner.js';

/** Messages looked at in one read; 2,000 hold the event loop for about 3 ms (measured on SQLite). */
const SCAN_PAGE = 2_000;
/**
 * Places kept in memory at most, about 16 bytes each. What is behind that is read when the line has become shorter; until
 * then new messages are refused with BACKPRESSURE, since they would have to wait behind it.
 */
const RESIDENT_PLACES_MAX = 4_000_000;

export interface RecoveryReport {
  readonly interrupted: number;
  readonly putBack: number;
  readonly pending: number;
}

/** Decides about every message that was marked as started. */
export async function settleInFlight(
  owner: ShardOwner,
  inFlight: readonly MessageHead[],
): Promise<{ interrupted: number; putBack: number }> {
  let interrupted = 0;
  let putBack = 0;
  const { wal, shard } = owner.options;
  for (let start = 0; start < inFlight.length; start += SCAN_PAGE) {
    const heads = inFlight.slice(start, start + SCAN_PAGE);
    const ids = new Map(
      (
        await wal.load(
          shard,
          heads.map((head) => head.seq),
        )
      ).map((message) => [message.seq, message]),
    );
    await Promise.all(
      heads.map((head) => {
        const { onInterrupt, maxInterruptions } = owner.typeOf(head.entityType);
        const retry = onInterrupt === 'retry' && head.interruptions + 1 <= maxInterruptions;
        if (retry) putBack += 1;
        else interrupted += 1;
        return new Promise<void>((resolve, reject) => {
          const participant: Participant = {
            committed: () => {
              const message = ids.get(head.seq);
              if (!retry && message !== undefined)
                owner.endings.ofStored({ ...message, attempt: head.attempt }, 'interrupted', undefined, error);
              resolve();
            },
            refused: reject,
          };
          const error = {
            name: 'Interrupted',
            message: 'The process that ran this message ended before it recorded an outcome.',
          };
          owner.add({ type: 'interrupt', seq: head.seq, retry, error }, participant);
        });
      }),
    );
  }
  return { interrupted, putBack };
}

/** Finds everything in line and gives each message its place again. Messages that nobody here handles stay, unstarted. */
export async function recoverLines(owner: ShardOwner): Promise<number> {
  const parked = new Map<string, { entityType: string; name: string; count: number }>();
  let after = 0;
  let pending = 0;
  for (;;) {
    const page = await owner.options.wal.scan(owner.options.shard, after, SCAN_PAGE);
    for (const head of page) {
      placeInLine(owner, head, parked);
      after = head.seq;
    }
    pending += page.length;
    if (page.length < SCAN_PAGE) break;
    if (pending >= RESIDENT_PLACES_MAX) {
      owner.catchingUp = true;
      void catchUp(owner, after, parked);
      break;
    }
    await new Promise<void>((resolve) => owner.options.runtime.timers.defer(resolve));
  }
  for (const { entityType, name, count } of parked.values()) {
    owner.options.logger.warn(
      `${count} messages "${name}" of entity type "${entityType}" are in the store and no handler here takes them. They and what is behind them wait.`,
    );
    owner.events.emit('parked', { entityType, name, count });
  }
  return pending;
}

function placeInLine(
  owner: ShardOwner,
  head: MessageHead,
  parked: Map<string, { entityType: string; name: string; count: number }>,
): void {
  const handled = owner.options.handlers.find(head.entityType, head.name) !== undefined;
  if (!handled) {
    const key = `${head.entityType}\n${head.name}`;
    const known = parked.get(key);
    if (known === undefined) parked.set(key, { entityType: head.entityType, name: head.name, count: 1 });
    else known.count += 1;
  }
  if (!handled || head.notBefore > 0 || head.expiresAt > 0 || head.attempt > 0) owner.unusual.set(head.seq, head);
  owner.directory.addToBacklog(entityKey(head.entityType, head.entityId), head.seq);
  owner.door.depth += 1;
}

/** Reads on as the line becomes shorter. */
async function catchUp(
  owner: ShardOwner,
  from: number,
  parked: Map<string, { entityType: string; name: string; count: number }>,
): Promise<void> {
  let after = from;
  try {
    for (;;) {
      while (owner.door.depth > RESIDENT_PLACES_MAX / 2) {
        await new Promise<void>((resolve) => owner.options.runtime.timers.set(resolve, 50));
        if (owner.phase === 'closed' || owner.phase === 'lost') return;
      }
      const page = await owner.options.wal.scan(owner.options.shard, after, SCAN_PAGE);
      for (const head of page) {
        placeInLine(owner, head, parked);
        after = head.seq;
      }
      for (const worker of [...owner.directory.all()]) worker.advance();
      owner.feedBacklog();
      if (page.length < SCAN_PAGE) break;
    }
    owner.catchingUp = false;
  } catch (error) {
    owner.options.logger.error(
      'Reading the rest of the backlog failed; new messages are refused until a restart.',
      error,
    );
  }
}

/**
 * What a new owner does with messages that the last one had marked as started: they may have run, so they are interrupted,
 * or go back to their place or stay there blocked, where the type says so (I2, M17). Everything else in line is `catch-up.ts`'s.
 */
import type { Participant } from '../wal/group-commit.js';
import type { MessageHead } from '../wal/wal.js';
import type { ShardOwner } from './shard-owner.js';

/** Messages loaded in one read, to tell what was interrupted. */
const LOAD_PAGE = 2_000;

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
  for (let start = 0; start < inFlight.length; start += LOAD_PAGE) {
    const heads = inFlight.slice(start, start + LOAD_PAGE);
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
        const after = owner.afterInterruption(head.entityType, head.name, head.interruptions);
        const retry = after === 'retry';
        const block = after === 'block';
        if (retry) putBack += 1;
        else interrupted += 1;
        return new Promise<void>((resolve, reject) => {
          const participant: Participant = {
            committed: () => {
              const message = ids.get(head.seq);
              if (after === 'end' && message !== undefined)
                owner.endings.ofStored({ ...message, attempt: head.attempt }, 'interrupted', undefined, error);
              resolve();
            },
            refused: reject,
          };
          const error = {
            name: 'Interrupted',
            message: 'The process that ran this message ended before it recorded an outcome.',
          };
          // Who waits on another node hears of it, or looks.
          const keepVerdict = ids.get(head.seq)?.replyTo !== undefined;
          owner.add(
            { type: 'interrupt', seq: head.seq, retry, ...(block && { block }), error, keepVerdict },
            participant,
          );
        });
      }),
    );
  }
  return { interrupted, putBack };
}

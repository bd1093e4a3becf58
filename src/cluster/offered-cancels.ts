/**
 * Withdrawing a message that no owner has taken in yet: the wish goes behind it into the same inbox, so that the owner meets
 * it next, and its outcome is looked up in the store, which keeps it for this.
 *
 * Owns: the waits under way, each with a timer.
 */
import { notAccepted } from '../entity/refusals.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { Runtime } from '../runtime/runtime.js';
import type { TimerHandle } from '../runtime/timers.js';
import type { SharedWal } from '../wal/shared-wal.js';
import type { OfferedTransition } from '../wal/wal.js';
import type { OfferPlace } from './offer-sender.js';

export interface OfferedCancelsOptions {
  readonly wal: Pick<SharedWal, 'offerMark' | 'status'>;
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  readonly offer: (shard: number, transition: OfferedTransition) => Promise<OfferPlace>;
  /** How long an owner may take, milliseconds. */
  readonly timeoutMs: number;
}

/** First look into the store after this long, then ever later up to the second figure, milliseconds. */
const FIRST_LOOK_MS = 10;
const LOOK_MAX_MS = 250;

export class OfferedCancels {
  /** What ends the pause of each. */
  private readonly pauses = new Map<TimerHandle, () => void>();
  private isStopped = false;

  constructor(private readonly options: OfferedCancelsOptions) {}

  /** Whether it was withdrawn before it started. @throws AtomicQueuesError `INDETERMINATE` */
  async cancel(shard: number, id: string): Promise<boolean> {
    const { offer, runtime, timeoutMs, wal } = this.options;
    const place = await offer(shard, { type: 'cancel', id, keepVerdict: true }).catch((error: Error) => {
      throw notAccepted(error, { messageId: id }, false);
    });
    const until = runtime.clock.monotonic() + timeoutMs;
    for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(LOOK_MAX_MS, pauseMs * 2)) {
      const outcome = await this.look(shard, id, place, wal).catch(() => undefined);
      if (outcome !== undefined) return outcome;
      if (this.isStopped) throw indeterminate(id, 'This node has stopped before that');
      if (runtime.clock.monotonic() >= until) throw indeterminate(id, `That did not happen within ${timeoutMs} ms`);
      await this.pause(pauseMs);
    }
  }

  stop(): void {
    this.isStopped = true;
    for (const [timer, end] of this.pauses) {
      this.options.runtime.timers.clear(timer);
      end();
    }
    this.pauses.clear();
  }

  /** Undefined: nobody has taken the wish in. A store that cannot be read is asked again. */
  private async look(
    shard: number,
    id: string,
    { session, number }: OfferPlace,
    wal: OfferedCancelsOptions['wal'],
  ): Promise<boolean | undefined> {
    if ((await wal.offerMark(shard, session)) < number) return undefined;
    return (await wal.status(shard, id))?.state === 'cancelled';
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.options.runtime.timers.set(() => {
        this.pauses.delete(timer);
        resolve();
      }, ms);
      this.pauses.set(timer, resolve);
    });
  }
}

function indeterminate(id: string, what: string): AtomicQueuesError {
  return new AtomicQueuesError(
    'INDETERMINATE',
    `Message ${id} waits to be taken in by an owner of its shard, and so does the wish to withdraw it. ${what}; look at its status later.`,
    { subject: { messageId: id }, retryable: true },
  );
}

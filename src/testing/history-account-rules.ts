/**
 * I1 and I7: at the end every accepted command is in the store's line, in its dead letters, or has ended, and the
 * store's own counts say the same. Decided from the `final` snapshots; without one, nothing is claimed.
 *
 * A process that dies may take the news of its last commits with it. What such news could have been is allowed for, and
 * no more: only messages whose handler was through, or that someone was withdrawing, may be gone without a verdict.
 */
import type { DeadLetterReason, FinalState, ShardCounts } from '../wal/transition.js';
import type { FinalSnapshot } from './history.js';
import type { HistoryLedger } from './history-ledger.js';
import { checkTold } from './history-operator-rules.js';
import { checkAtRest, checkLeftBehind } from './history-order-rules.js';
import type { Seen } from './history-report.js';
import { isDurable, type MessageTrack } from './history-tracks.js';

const FINAL_STATES: readonly FinalState[] = ['completed', 'failed', 'interrupted', 'expired', 'cancelled'];

export class FinalAccounts {
  readonly pending = new Set<string>();
  private readonly letters = new Map<string, DeadLetterReason>();
  private counts: ShardCounts | undefined;
  private pendingRows = 0;
  private letterRows = 0;
  private known = 0;
  private readonly ended: Record<FinalState, number> = {
    completed: 0,
    failed: 0,
    interrupted: 0,
    expired: 0,
    cancelled: 0,
  };
  private readonly mayHaveEnded: Record<FinalState, number> = {
    completed: 0,
    failed: 0,
    interrupted: 0,
    expired: 0,
    cancelled: 0,
  };
  snapshot: Seen<FinalSnapshot> | undefined;

  constructor(private readonly ledger: HistoryLedger) {}

  add(seen: Seen<FinalSnapshot>): void {
    const { counts, pending, deadLetters } = seen.event;
    this.snapshot = seen;
    this.ledger.steps += pending.length + deadLetters.length;
    for (const id of pending) this.pending.add(id);
    for (const { id, reason } of deadLetters) this.letters.set(id, reason);
    this.pendingRows += pending.length;
    this.letterRows += deadLetters.length;
    if (counts !== undefined) this.counts = this.counts === undefined ? counts : sum(this.counts, counts);
  }

  /** After the last event and after `linkAll`. `unanswered`: calls that may have made a message nobody named. */
  settle(unanswered: number): void {
    const { ledger } = this;
    for (const message of ledger.messages.values()) {
      ledger.steps += 1;
      if (message.sameAs !== undefined) continue;
      if (this.snapshot !== undefined) checkTold(ledger, message, this.pending, this.letters);
      // Somebody named it, e.g. to withdraw it, but the store never had it.
      if (ledger.storeTold && (message.accepted ?? message.resolved ?? message.origin) === undefined) continue;
      if (!isDurable(message)) {
        const stands = message.starts === 0 && message.entity?.waiting.has(message) === true;
        if (stands && !ledger.queriesTravel) checkLeftBehind(ledger, message);
        continue;
      }
      this.known += 1;
      if (message.ended !== undefined) this.ended[message.ended.event.state] += 1;
      if (this.snapshot === undefined) {
        if (message.ended === undefined) ledger.undecided += 1;
      } else if (message.ended === undefined) this.settleOpen(message);
      else if (message.replaced !== true) this.settleEnded(message, message.ended.event.state);
    }
    if (this.snapshot === undefined) return;
    this.countUnknown();
    if (this.counts !== undefined) this.checkCounts(this.counts, unanswered);
  }

  private settleOpen(message: MessageTrack): void {
    const { ledger } = this;
    const letter = this.letters.get(message.id);
    if (this.pending.has(message.id)) {
      checkLeftBehind(ledger, message);
      checkAtRest(ledger, message);
    } else if (letter !== undefined) this.mayHaveEnded[letter] += 1;
    else if (message.maybeEnded || this.mayHaveEndedUnseen(message)) {
      for (const state of FINAL_STATES) this.mayHaveEnded[state] += 1;
    } else if (this.mayBeWithdrawn(message)) this.mayHaveEnded.cancelled += 1;
    else if (message.toldOver !== undefined || wasLetter(ledger, message)) {
      // Its end was not told, and whoever acted on it knows of one.
      for (const state of FINAL_STATES) if (state !== 'completed') this.mayHaveEnded[state] += 1;
    } else this.lost(message);
  }

  /** Without a common order nothing tells whether a crash came after the last sign of a message that has run. */
  private mayHaveEndedUnseen(message: MessageTrack): boolean {
    return !this.ledger.commonOrder && this.ledger.crashes > 0 && message.starts > 0;
  }

  private mayBeWithdrawn(message: MessageTrack): boolean {
    const { entity } = message;
    const asked =
      message.cancelCalled ??
      entity?.cancelCalled ??
      (entity === undefined ? undefined : this.ledger.cancelledTypes.get(entity.entityType)) ??
      message.withdrawable;
    return asked !== undefined && asked !== false && this.ledger.newsMayBeLost(message);
  }

  private lost(message: MessageTrack): void {
    const { ledger } = this;
    const proof = [message.origin, message.accepted, message.resolved, message.lastStart, message.handlerEnded];
    if (message.starts === 0 && ledger.crashes > message.crashesAtAccept) {
      ledger.violation(
        'I1',
        message,
        `${message.id} was accepted, a process died, and the store does not have it any more: it is neither pending nor ended.`,
        proof,
      );
    } else {
      ledger.violation(
        'I7',
        message,
        `${message.id} was accepted and has vanished: it has no verdict, and the store has it neither in line nor in the dead letters.`,
        proof,
      );
    }
  }

  private settleEnded(message: MessageTrack, state: FinalState): void {
    const { ledger } = this;
    const letter = this.letters.get(message.id);
    const proof = [message.origin, message.accepted, message.ended, message.letterGone];
    if (this.pending.has(message.id)) {
      ledger.violation(
        'I5',
        message,
        `${message.id} was called '${state}', but the store still has it in line: the verdict was not durable.`,
        proof,
      );
    } else if (letter !== undefined && message.letterGone !== undefined) {
      ledger.violation(
        'I7',
        message,
        `the dead letter ${message.id} was ${message.letterGone.event.type}, but the store still has it: it counts twice.`,
        proof,
      );
    } else if (letter !== undefined && letter !== state) {
      ledger.violation(
        'I5',
        message,
        `${message.id} ended as '${state}', but the store keeps it as a dead letter with reason '${letter}'.`,
        proof,
      );
    } else if (
      letter === undefined &&
      needsLetter(state) &&
      message.letterGone === undefined &&
      message.letterCalled === undefined
    ) {
      ledger.violation(
        'I7',
        message,
        `${message.id} ended as '${state}', but it is not in the dead letters, and nobody replayed or purged it.`,
        proof,
      );
    }
  }

  /** Ids in the snapshot that the log does not know. */
  private countUnknown(): void {
    for (const id of this.pending) if (!this.ledger.messages.has(id)) this.known += 1;
    for (const [id, reason] of this.letters) {
      if (this.ledger.messages.has(id)) continue;
      this.known += 1;
      this.mayHaveEnded[reason] += 1;
    }
  }

  private checkCounts(counts: ShardCounts, unanswered: number): void {
    const final = counts.completed + counts.failed + counts.interrupted + counts.expired + counts.cancelled;
    if (counts.accepted !== counts.pending + final) {
      this.mismatch(`accepted ${counts.accepted} is not pending ${counts.pending} + final ${final}`);
    }
    if (counts.pending !== this.pendingRows || this.pendingRows !== this.pending.size) {
      this.mismatch(
        `the store counts ${counts.pending} pending, but lists ${this.pendingRows} (${this.pending.size} different)`,
      );
    }
    if (counts.deadLetters !== this.letterRows || this.letterRows !== this.letters.size) {
      this.mismatch(
        `the store counts ${counts.deadLetters} dead letters, but lists ${this.letterRows} (${this.letters.size} different)`,
      );
    }
    if (!this.ledger.closedWorld) return;
    const acceptedMax = this.known + unanswered;
    if (counts.accepted < this.known || counts.accepted > acceptedMax) {
      this.mismatch(
        `the store counts ${counts.accepted} accepted, but the log knows ${range(this.known, acceptedMax)}`,
      );
    }
    for (const state of FINAL_STATES) {
      const least = this.ended[state];
      const most = least + this.mayHaveEnded[state] + (this.ledger.crashes > 0 ? unanswered : 0);
      if (counts[state] < least || counts[state] > most) {
        this.mismatch(`the store counts ${counts[state]} ${state}, but the log knows ${range(least, most)}`);
      }
    }
  }

  private mismatch(words: string): void {
    this.ledger.violation('I7', undefined, `the counts do not agree: ${words}.`, [this.snapshot]);
  }
}

/** It left the dead letters, or may have by someone who died before telling. */
function wasLetter({ crashes }: HistoryLedger, { letterGone, letterCalled }: MessageTrack): boolean {
  return letterGone !== undefined || (letterCalled !== undefined && crashes > 0);
}

function needsLetter(state: FinalState): boolean {
  return state === 'failed' || state === 'interrupted' || state === 'expired';
}

function range(least: number, most: number): string {
  return least === most ? `${least}` : `between ${least} and ${most}`;
}

function sum(a: ShardCounts, b: ShardCounts): ShardCounts {
  return {
    accepted: a.accepted + b.accepted,
    completed: a.completed + b.completed,
    failed: a.failed + b.failed,
    interrupted: a.interrupted + b.interrupted,
    expired: a.expired + b.expired,
    cancelled: a.cancelled + b.cancelled,
    pending: a.pending + b.pending,
    deadLetters: a.deadLetters + b.deadLetters,
    blocked: a.blocked + b.blocked,
  };
}

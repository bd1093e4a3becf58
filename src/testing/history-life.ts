/** The end of a process in a history: what it leaves cut off, and what it may have done without the log telling. */
import type { HistoryLedger } from './history-ledger.js';
import { type EntityTrack, isDurable, type MessageTrack } from './history-tracks.js';

/** What the process ran is cut off; what it was about to tell may be true without being in the log. */
export function endLife(ledger: HistoryLedger, node: string, crashed: boolean): void {
  const life = ledger.life(node);
  if (!life.alive) return;
  life.alive = false;
  life.crashed = crashed;
  if (crashed) ledger.crashes += 1;
  // Also those that the owner had given up and that ran on: an orderly stop interrupts what does not settle in time.
  for (const message of life.running) {
    ledger.steps += 1;
    message.entity?.running.delete(message);
  }
  for (const message of life.unsettled) {
    ledger.steps += 1;
    message.maybeEnded = crashed && message.run !== 'running' && !ledger.storeTold;
    if (message.maybeEnded || !isDurable(message)) ledger.unready(message);
    if (message.run === 'running') message.run = 'cut';
    if (crashed) forgetOrderOfMarked(message.entity);
    countInterruption(message);
  }
  for (const query of life.queries) {
    ledger.steps += 1;
    ledger.unready(query);
  }
}

/** Counts the interruption of a message's last attempt, once. */
export function countInterruption(message: MessageTrack): void {
  const attempt = message.lastStart?.event.attempt;
  if (attempt === undefined || attempt === message.interruptedAttempt) return;
  if (message.dispatched !== undefined && message.dispatched.event.attempt !== attempt) return;
  message.interruptedAttempt = attempt;
  message.interruptions += 1;
}

/**
 * Messages marked ahead run one after the other without waiting for each other's outcome to be durable: with
 * `onInterrupt: 'retry'` all of them run again, in order, from the first one whose outcome was lost.
 */
function forgetOrderOfMarked(entity: EntityTrack | undefined): void {
  if (entity === undefined) return;
  if (entity.rules.dispatchAhead > 1 && entity.rules.onInterrupt === 'retry') entity.latestCallStarted.clear();
}

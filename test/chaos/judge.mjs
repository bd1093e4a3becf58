/**
 * Judges a round: the history checker reads the merged history and the final state; what the server may lose by its own
 * documented limits is told apart from violations, counted, and never includes epochs or stale writers.
 */
import { checkHistory } from '../../dist/testing/history-checker.js';
import { readHistoryFile } from '../../dist/testing/history-log.js';
import { explainViolation } from '../../dist/testing/history-report.js';
import { RULES } from './entities.mjs';
import { figuresOf } from './figures.mjs';
import { mergeLog } from './merge.mjs';

const VIOLATIONS_MAX = 2_000;
/** Redis tells whole milliseconds, and the processes read their own clocks. */
const CLOCK_TOLERANCE_MS = 5;

/** `wrong`: what the round itself noticed. `final`: `{left, events}`, undefined if the round broke off. */
export async function judge({ history: path, final, wrong, lossy, figures }) {
  const { history, notes } = mergeLog(readHistoryFile(path), final?.events ?? []);
  const report = checkHistory(history, {
    entityTypes: RULES,
    queriesTravel: true,
    violationsMax: VIOLATIONS_MAX,
    clockToleranceMs: CLOCK_TOLERANCE_MS,
  });
  const losses = [];
  const violations = [...wrong];
  const atRisk = idsWithin(history, lossy);
  for (const violation of report.violations) {
    (isDocumentedLoss(violation, atRisk) ? losses : violations).push(explainViolation(violation));
  }
  if (final !== undefined && final.left !== 0) violations.push(`not drained: ${final.left} messages are still pending`);
  for (const { type, words } of notes) if (type === 'bad') violations.push(words);
  for (const words of reusedEpochs(history)) violations.push(words);
  violations.push(...report.notes.map((note) => `the log is odd: ${note}`));
  return {
    violations,
    losses,
    counts: {
      ...report.counts,
      staleCommits: report.violations.filter(({ words }) => words.startsWith('the store accepted commit')).length,
      operations: history.filter(({ type, done }) => type === 'operatorAnswered' && done).length,
      doubts: notes.filter(({ type }) => type === 'doubt').length,
      errorsLogged: notes.filter(({ type, level }) => type === 'log' && level === 'error').length,
    },
    openedSinceCalm: openedSince(history, notes.find(({ name }) => name === 'calm')?.at),
    figures: figuresOf(history, figures),
  };
}

/**
 * Messages of which something was acknowledged while the server could still lose it, and calls of operators that were under
 * way then: a pause of a type is many commits.
 */
function idsWithin(history, lossy) {
  const within = (begunAt, at) => lossy.some(({ from, to }) => at >= from && begunAt <= to);
  const begun = new Map();
  const found = new Set();
  for (const { type, id, call, at } of history) {
    if (type === 'operatorCalled') begun.set(call, at);
    if (type === 'operatorAnswered' && within(begun.get(call), at)) found.add(call);
    if (id !== undefined && within(at, at)) found.add(id);
  }
  return found;
}

/** Owners and epochs are kept whatever is lost (I3, I6); and only of those messages anything may be. */
function isDocumentedLoss({ invariant, words, proof, messageId }, atRisk) {
  if (atRisk.size === 0 || invariant === 'I3' || invariant === 'I6') return false;
  // The counts of a store that lost something cannot agree with what was told.
  if (messageId === undefined) return words.startsWith('the counts do not agree');
  return atRisk.has(messageId) || proof.some(({ event: { id, call } }) => atRisk.has(id) || atRisk.has(call));
}

/** The same epoch of a shard must never have two owners, whatever was lost (M8). */
function reusedEpochs(history) {
  const seen = new Map();
  const found = [];
  for (const { type, shard, epoch, node } of history) {
    if (type !== 'opened') continue;
    const key = `${shard}/${epoch}`;
    if (seen.has(key))
      found.push(`epoch ${epoch} of shard ${shard} was given twice: to ${seen.get(key)} and to ${node}`);
    seen.set(key, node);
  }
  return found;
}

function openedSince(history, at) {
  return at === undefined ? 0 : history.filter((event) => event.type === 'opened' && event.at > at).length;
}

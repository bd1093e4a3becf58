/** An owner as stores without a check of lines may trust it: it starts a message only when nothing waits ahead of it. */
import { entityKey } from '../../src/message/entity-key.js';
import { beginChange, undoChange } from '../../src/wal/shard-change.js';
import type { ShardState } from '../../src/wal/shard-data.js';
import { takeOffers } from '../../src/wal/shard-state.js';
import { applyTransition } from '../../src/wal/shard-transitions.js';
import type { StoredMessage, Transition } from '../../src/wal/transition.js';
import { IllegalTransitionError, type RetentionOptions } from '../../src/wal/wal.js';

function waitingOf(state: ShardState, message: Pick<StoredMessage, 'entityType' | 'entityId'>): StoredMessage[] {
  const key = entityKey(message.entityType, message.entityId);
  return [...state.line.entries.values()].filter(
    (other) => other.state !== 'dispatched' && entityKey(other.entityType, other.entityId) === key,
  );
}

/** What an owner that keeps its promise would send of these: it knows all that waited before the commit. */
export function promised(
  state: ShardState,
  now: number,
  retention: RetentionOptions,
  transitions: readonly Transition[],
): Transition[] {
  const waiting = [...state.line.entries.values()].filter((message) => message.state !== 'dispatched');
  const known = new Set(waiting.map((message) => message.seq));
  const change = beginChange(state, now, retention);
  takeOffers(change);
  const sent: Transition[] = [];
  for (const transition of transitions) {
    let next = transition;
    if (transition.type === 'dispatch') {
      const message = state.line.entries.get(transition.seq);
      if (message !== undefined && waitingOf(state, message).some((other) => other.seq < message.seq)) continue;
    } else if (transition.type === 'append' && transition.dispatch === true) {
      if (waitingOf(state, transition.message).some((other) => known.has(other.seq)))
        next = { ...transition, dispatch: false };
    }
    try {
      applyTransition(change, next);
      sent.push(next);
    } catch (error) {
      // It was legal only after one that is left out.
      if (!(error instanceof IllegalTransitionError)) throw error;
    }
  }
  undoChange(change);
  return sent;
}

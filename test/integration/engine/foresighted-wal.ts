/**
 * A store that asks the owner what runs unmarked when a commit comes, applies it later, and answers later still: as one does
 * that works a commit out before its server applies it. It also looks at what its owner could know: who wants a new message to
 * start at once although another of its entity stood in line would overtake it in a store that trusts its owner.
 */
import type { MemoryStore } from '../../../src/wal/memory/memory-wal.js';
import type { CommitAnswer, CommitRequest, OfferedTransition, Wal } from '../../../src/wal/wal.js';

export function foresighted(
  wal: Wal,
  store: () => MemoryStore,
  delay: () => Promise<void>,
  wrong: (wish: string) => void,
): Wal {
  const commit = async (request: CommitRequest): Promise<CommitAnswer> => {
    const said = new Map<number, boolean>();
    const ask = (seq: number | undefined): void => {
      if (seq === undefined || seq === 0 || said.has(seq)) return;
      const held = store().shard(0).line.entries.get(seq);
      if (held === undefined || held.state !== 'enqueued' || held.attempt > 0) return;
      said.set(seq, request.runsUnmarked?.(seq, held.id) === true);
    };
    const look = (transition: CommitRequest['transitions'][number] | OfferedTransition): void => {
      if (transition.type === 'cancel') ask(store().shard(0).places.get(transition.id));
      else if (transition.type === 'expire') ask(transition.seq);
    };
    for (const { transition } of store().shard(0).inbox) look(transition);
    for (const transition of request.transitions) look(transition);
    await delay();
    const { line, numbers } = store().shard(0);
    const { entries } = line;
    const { nextSeq } = numbers;
    const stood = [...entries.values()].filter(({ state }) => state !== 'dispatched').map(({ seq }) => seq);
    const answer = await wal.commit({
      ...request,
      ...(request.runsUnmarked !== undefined && {
        runsUnmarked: (seq: number, id: string) => said.get(seq) ?? request.runsUnmarked?.(seq, id) === true,
      }),
    });
    request.transitions.forEach((transition, index) => {
      const outcome = answer.outcomes[index];
      if (transition.type !== 'append' || transition.dispatch !== true || outcome?.type !== 'appended') return;
      // The answer to a commit that was applied before, when it was sent the first time.
      if (outcome.seq < nextSeq) return;
      const { entityId } = transition.message;
      for (const seq of stood) {
        const ahead = entries.get(seq);
        if (ahead === undefined || ahead.state === 'dispatched' || ahead.entityId !== entityId) continue;
        wrong(`message ${outcome.seq} of ${entityId} was to start at once while message ${seq} stood before it`);
      }
    });
    await delay();
    return answer;
  };
  return new Proxy(wal, {
    get: (target, name) => {
      if (name === 'commit') return commit;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

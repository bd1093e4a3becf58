/**
 * The actors of a simulated life, and the rule for them: the state of each is the list of its completed commands, each of
 * them once and in the order in which they completed, whatever crashed meanwhile. A query that changes the state, a failed
 * handler and a run that was lost leave nothing in it (M15).
 */
import type { ActorBinding, ActorCall, ActorInstance } from '../../entity/actor-port.js';
import type { HandlerEntry } from '../../entity/handler-table.js';
import type { MessageContext } from '../../entity/message-context.js';
import type { MessageKind } from '../../message/envelope.js';
import type { HistoryEvent } from '../history.js';

/** Entity types that are actors, and what their handlers may do. */
export const ACTOR_TYPES: Readonly<Record<string, ActorBinding['effects']>> = { ledger: 'any', tally: 'state' };

/** How long an actor stays in memory without a message, milliseconds: some are woken often, others outlive their shards. */
const IDLE_MS: Readonly<Record<string, number>> = { ledger: 60_000, tally: 700 };

type Work = (job: unknown, context: MessageContext) => Promise<string>;

/** The handlers of a node's actor type share one binding. */
export function actorHandlers(type: string, work: Work): Readonly<Record<MessageKind, HandlerEntry>> {
  const actor: ActorBinding = {
    persistence: true,
    stateTtlMs: undefined,
    effects: ACTOR_TYPES[type] ?? 'any',
    idleTimeoutMs: IDLE_MS[type] ?? 700,
    wake: (_type, _id, stored) => new ListingActor(stored, work),
  };
  const entry = (kind: MessageKind): HandlerEntry => ({
    kind,
    label: `${type}.${kind}`,
    run: () => {
      throw new Error('An actor runs its messages itself.');
    },
    actor,
  });
  return { command: entry('command'), query: entry('query') };
}

class ListingActor implements ActorInstance {
  private ids: string[];
  private keptIds: readonly string[];

  constructor(
    stored: string | undefined,
    private readonly work: Work,
  ) {
    this.keptIds = stored === undefined ? [] : (JSON.parse(stored) as string[]);
    this.ids = [...this.keptIds];
  }

  run({ message, context }: ActorCall): Promise<string> {
    // Before anything can go wrong, so that whatever is not taken back shows.
    this.ids.push(context.id);
    return this.work(message, context);
  }

  snapshot(): string | undefined {
    return this.ids.length === this.keptIds.length ? undefined : JSON.stringify(this.ids);
  }

  kept(): void {
    this.keptIds = [...this.ids];
  }

  restore(): void {
    this.ids = [...this.keptIds];
  }
}

/** In words, which actor's state is not what its completed commands make. The history must be at its end. */
export function judgeActors(
  events: readonly HistoryEvent[],
  stateOf: (entityType: string, entityId: string) => string | undefined,
): readonly string[] {
  const entities = new Map<string, { readonly type: string; readonly id: string; readonly completed: string[] }>();
  const ofMessage = new Map<string, string>();
  const ended = new Set<string>();
  for (const event of events) {
    if (event.type === 'accepted' && event.kind === 'command' && ACTOR_TYPES[event.entityType] !== undefined) {
      const { entityType: type, entityId: id } = event;
      const key = `${type}/${id}`;
      ofMessage.set(event.id, key);
      if (!entities.has(key)) entities.set(key, { type, id, completed: [] });
    } else if (event.type === 'replayed') {
      const key = ofMessage.get(event.id);
      if (key !== undefined) ofMessage.set(event.newId, key);
    } else if (event.type === 'ended' && event.state === 'completed' && !ended.has(event.id)) {
      ended.add(event.id);
      entities.get(ofMessage.get(event.id) ?? '')?.completed.push(event.id);
    }
  }
  const faults: string[] = [];
  for (const [key, { type, id, completed }] of entities) {
    const state = stateOf(type, id) ?? '[]';
    if (state !== JSON.stringify(completed))
      faults.push(`the state of ${key} is ${state}, and its completed commands are ${JSON.stringify(completed)}`);
  }
  return faults;
}

/**
 * The memory of a check: finds or makes the record of each thing an event names, and collects what the rules find.
 * Owns no rule.
 */
import type { MessageKind } from '../message/envelope.js';
import type { FinalState } from '../wal/transition.js';
import type { Accepted, HistoryEvent, OperatorCalled } from './history.js';
import type { HistoryReport, Invariant, Seen, Violation } from './history-report.js';
import {
  type CallTrack,
  type EntityTrack,
  type EntityTypeRules,
  entityName,
  type HistoryOptions,
  isDurable,
  type LifeTrack,
  type MessageTrack,
  type PauseTrack,
  type ShardTrack,
} from './history-tracks.js';

const CONTRACT_RULES: EntityTypeRules = {
  maxAttempts: 1,
  onInterrupt: 'dead-letter',
  interruptionsMax: 3,
  dispatchAhead: 1,
  queries: 'volatile',
  stateOnly: false,
};

const NOTES_MAX = 20;

export class HistoryLedger {
  readonly messages = new Map<string, MessageTrack>();
  readonly entities = new Map<string, EntityTrack>();
  readonly calls = new Map<string, CallTrack>();
  readonly lives = new Map<string, LifeTrack>();
  readonly shards = new Map<number, ShardTrack>();
  /** Entities with something to do: due messages, nothing held, not paused. */
  readonly ready = new Set<EntityTrack>();
  readonly pausedTypes = new Set<string>();
  readonly cancelledTypes = new Map<string, Seen>();
  /** Calls of operators without an answer. */
  readonly operatorCalls = new Map<string, Seen<OperatorCalled>>();
  /** What operators were told of lines, and of types, by their names. */
  readonly pauses = new Map<string, PauseTrack>();

  readonly commonOrder: boolean;
  readonly closedWorld: boolean;
  readonly storeTold: boolean;
  readonly queriesTravel: boolean;
  readonly toleranceMs: number;
  readonly leaseToleranceMs: number;
  crashes = 0;
  events = 0;
  steps = 0;
  starts = 0;
  rejected = 0;
  undecided = 0;
  readonly ended: Record<FinalState, number> = { completed: 0, failed: 0, interrupted: 0, expired: 0, cancelled: 0 };

  private readonly violations: Violation[] = [];
  private readonly notes: string[] = [];
  private found = 0;
  private replaced = 0;

  constructor(private readonly options: HistoryOptions) {
    this.commonOrder = options.commonOrder ?? true;
    this.closedWorld = options.closedWorld ?? true;
    this.storeTold = options.storeTold ?? false;
    this.queriesTravel = options.queriesTravel ?? this.storeTold;
    this.toleranceMs = options.clockToleranceMs ?? 0;
    this.leaseToleranceMs = options.leaseToleranceMs ?? 0;
  }

  life(node: string): LifeTrack {
    return this.lives.get(node) ?? this.newLife(node);
  }

  newLife(node: string): LifeTrack {
    const life: LifeTrack = {
      node,
      seq: 0,
      alive: true,
      crashed: false,
      unsettled: new Set(),
      running: new Set(),
      queries: new Set(),
      calls: new Set(),
    };
    this.lives.set(node, life);
    return life;
  }

  entity(entityType: string, entityId: string): EntityTrack {
    const key = `${entityType}\n${entityId}`;
    let entity = this.entities.get(key);
    if (entity === undefined) {
      const rules = { ...CONTRACT_RULES, ...this.options.defaults, ...this.options.entityTypes?.[entityType] };
      entity = {
        entityType,
        entityId,
        rules,
        running: new Map(),
        marked: new Map(),
        waiting: new Set(),
        delayed: new Set(),
        held: new Set(),
        paused: false,
        latestCallStarted: new Map(),
        messageIds: new Map(),
        firstCalls: new Map(),
      };
      this.entities.set(key, entity);
    }
    return entity;
  }

  message(id: string): MessageTrack {
    let message = this.messages.get(id);
    if (message === undefined) {
      message = {
        id,
        kind: 'command',
        delayed: false,
        expiresAt: 0,
        run: 'none',
        starts: 0,
        interruptions: 0,
        interruptedAttempt: 0,
        unblocks: 0,
        granted: false,
        crashesAtNews: this.crashes,
        crashesAtAccept: this.crashes,
        maybeEnded: false,
        earlyAnswers: [],
        overtaken: false,
        claimed: false,
      };
      this.messages.set(id, message);
    }
    return message;
  }

  /**
   * The message that had the id until now leaves it to the new one. It was delayed and is cancelled by that, unless it had
   * ended; its record is kept under another name.
   */
  replace({ position, event }: Seen<Accepted>): void {
    const { id, node, seq } = event;
    const former = this.messages.get(id);
    if (former?.accepted === undefined) return;
    this.messages.delete(id);
    this.replaced += 1;
    this.messages.set(`${id}, replaced (${this.replaced})`, former);
    former.replaced = true;
    if (former.messageId !== undefined) former.entity?.messageIds.delete(former.messageId);
    if (former.ended !== undefined) return;
    former.ended = { position, event: { type: 'ended', node, seq, id, state: 'cancelled' } };
    this.ended.cancelled += 1;
    this.unready(former);
  }

  /** It has a place in line, or waits for its time. */
  enterLine(message: MessageTrack): void {
    const { entity } = message;
    if (entity === undefined || message.held !== undefined) return;
    const waits = message.delayed && message.promoted === undefined && message.starts === 0;
    (waits ? entity.delayed : entity.waiting).add(message);
    (waits ? entity.waiting : entity.delayed).delete(message);
    this.refresh(entity);
  }

  /** The record of a message whose address the event carries. */
  addressed(event: { id: string; entityType: string; entityId: string; kind: MessageKind }): MessageTrack {
    const message = this.message(event.id);
    message.entity ??= this.entity(event.entityType, event.entityId);
    message.kind = event.kind;
    return message;
  }

  shard(shard: number): ShardTrack {
    let track = this.shards.get(shard);
    if (track === undefined) {
      track = { sent: new Map(), running: new Set() };
      this.shards.set(shard, track);
    }
    return track;
  }

  /** Whether the log tells which of two events came first. */
  ordered(a: HistoryEvent, b: HistoryEvent): boolean {
    return this.commonOrder || a.node === b.node;
  }

  /** Whether a process died since the last news of the message, so that later news may be missing from the log. */
  newsMayBeLost(message: MessageTrack): boolean {
    return !this.storeTold && this.crashes > message.crashesAtNews;
  }

  /** Puts the entity where its state belongs, after a change of its lines. */
  refresh(entity: EntityTrack): void {
    if (entity.waiting.size > 0 && entity.held.size === 0 && !entity.paused) this.ready.add(entity);
    else this.ready.delete(entity);
  }

  /** The message has left the line, or may not run before something happens. */
  unready(message: MessageTrack): void {
    const entity = message.entity;
    if (entity === undefined) return;
    entity.waiting.delete(message);
    entity.delayed.delete(message);
    this.refresh(entity);
  }

  violation(
    invariant: Invariant,
    message: MessageTrack | undefined,
    words: string,
    proof: readonly (Seen | undefined)[],
    entity: EntityTrack | undefined = message?.entity,
  ): void {
    this.found += 1;
    if (this.violations.length >= (this.options.violationsMax ?? 100)) return;
    const shown = new Map(proof.filter((seen) => seen !== undefined).map((seen) => [seen.position, seen] as const));
    this.violations.push({
      invariant,
      messageId: message?.id,
      entity: entityName(entity),
      words,
      proof: [...shown.values()].sort((a, b) => a.position - b.position),
    });
  }

  note(words: string): void {
    if (this.notes.length < NOTES_MAX) this.notes.push(words);
  }

  report(): HistoryReport {
    let commands = 0;
    for (const message of this.messages.values()) if (isDurable(message)) commands += 1;
    return {
      ok: this.found === 0,
      violations: this.violations,
      notes: this.notes,
      counts: {
        events: this.events,
        crashes: this.crashes,
        commands,
        queries: this.messages.size - commands,
        starts: this.starts,
        rejected: this.rejected,
        ended: { ...this.ended },
        undecided: this.undecided,
        violations: this.found,
        steps: this.steps,
      },
    };
  }
}

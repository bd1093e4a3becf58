/**
 * The third judge: knows only what handlers and callers wrote themselves and what the store's views list, and shares no
 * code with the history checker. It decides:
 *
 * - a command that may start once starts once, ever; a further start needs a failure with attempts left, or a kill and
 *   `onInterrupt: 'retry'` (I2);
 * - no two handlers of one entity at once (I3);
 * - per entity, messages start in the order of the calls that made them (I4);
 * - every accepted id is in exactly one place: pending, dead letters, withdrawn, removed by hand, or completed (I1, I7);
 * - nothing that a caller was told is untrue (I5).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EntityConfig } from '../../../src/runtime/config.js';
import { ENTITIES } from './plan.js';
import { readStore } from './store-judge.js';

interface StartLine {
  readonly a: 'start';
  readonly id: string;
  readonly call: string;
  /** Grows with every call, also from one process to the next. */
  readonly order: number;
  /** The call promises no place: it was delayed, or made before the node was open. */
  readonly loose: boolean;
  /** The caller withdraws the message when its wait times out. */
  readonly withdrawn?: boolean;
  readonly type: string;
  readonly entity: string;
  readonly attempt: number;
  readonly kind: 'command' | 'query';
}

type EffectLine =
  | StartLine
  | { readonly a: 'end'; readonly id: string; readonly type: string; readonly entity: string; readonly ok: boolean }
  | {
      readonly a: 'accepted';
      readonly id: string;
      readonly kind: 'command' | 'query';
      readonly type: string;
      readonly entity: string;
    }
  | { readonly a: 'answered'; readonly call: string }
  | { readonly a: 'cancelling' | 'cancelled' | 'discarding' | 'discarded'; readonly id: string }
  | { readonly a: 'replaying'; readonly id: string; readonly call: string }
  | { readonly a: 'replayed'; readonly id: string; readonly newId: string }
  | { readonly a: 'purging'; readonly type: string; readonly entity: string }
  | { readonly a: 'error'; readonly words: string }
  | { readonly a: 'crash' };

interface Message {
  readonly id: string;
  type?: string;
  entity?: string;
  /** The store promises to keep it. */
  isDurable: boolean;
  accepted: boolean;
  starts: number;
  /** How its last start went on. */
  last: 'none' | 'running' | 'ok' | 'failed' | 'cut';
  lastAttempt: number;
  /** Kills since its last start. */
  killsSince: number;
  readonly told: Set<string>;
}

const VIOLATIONS_MAX = 1_000;

export function judgeEffects(folder: string): readonly string[] {
  const judge = new EffectsJudge();
  for (const line of readLines(join(folder, 'effects.jsonl'))) judge.take(line);
  return judge.finish(readStore(folder)).slice(0, VIOLATIONS_MAX);
}

class EffectsJudge {
  private readonly messages = new Map<string, Message>();
  private readonly byCall = new Map<string, Message[]>();
  private readonly answered = new Set<string>();
  /** Of letters that someone replayed: from then on the call has a second message, at the end of the line. */
  private readonly replayedCalls = new Set<string>();
  private readonly running = new Map<string, string>();
  private readonly lastOrder = new Map<string, number>();
  private readonly purgedLines = new Set<string>();
  private readonly violations: string[] = [];
  private kills = 0;

  take(line: EffectLine): void {
    switch (line.a) {
      case 'start':
        return this.started(line);
      case 'end':
        if (this.running.get(`${line.type}/${line.entity}`) === line.id)
          this.running.delete(`${line.type}/${line.entity}`);
        this.message(line.id).last = line.ok ? 'ok' : 'failed';
        return;
      case 'accepted': {
        const message = this.message(line.id);
        message.accepted = true;
        message.type = line.type;
        message.entity = line.entity;
        message.isDurable = isDurable(line);
        return;
      }
      case 'answered':
        this.answered.add(line.call);
        return;
      case 'replaying':
        this.replayedCalls.add(line.call);
        this.message(line.id).told.add(line.a);
        return;
      case 'replayed':
        this.message(line.id).told.add(line.a);
        this.message(line.newId).accepted = true;
        this.message(line.newId).isDurable = true;
        return;
      case 'purging':
        this.purgedLines.add(`${line.type}/${line.entity}`);
        return;
      case 'error':
        this.violations.push(line.words);
        return;
      case 'crash':
        return this.crashed();
      default:
        this.message(line.id).told.add(line.a);
    }
  }

  finish(store: ReturnType<typeof readStore>): readonly string[] {
    const pending = new Set(store.pending);
    for (const id of pending) this.violations.push(`${id} is still pending although everything was to be finished`);
    for (const message of this.messages.values()) this.judgePlace(message, pending, store.letters.get(message.id));
    for (const call of this.answered) {
      const made = this.byCall.get(call);
      if (made !== undefined && made[0]?.last !== 'ok' && made[0]?.last !== 'cut')
        this.violations.push(`${call} was answered, but no handler of ${made[0]?.id} got to its end`);
    }
    return this.violations;
  }

  private started(line: StartLine): void {
    const { id, call, type, entity, attempt, order, loose } = line;
    const place = `${type}/${entity}`;
    const message = this.message(id);
    const before = this.running.get(place);
    if (before !== undefined) this.violations.push(`${id} started on ${place} while ${before} was running`);
    this.running.set(place, id);
    if (message.starts > 0) this.judgeAnotherStart(message, line);
    const made = this.byCall.get(call) ?? [];
    if (!made.includes(message)) {
      const [first] = made;
      if (first !== undefined && !this.replayedCalls.has(call))
        this.violations.push(`${call} made two messages: ${first.id} and ${id}`);
      this.byCall.set(call, [...made, message]);
    }
    if (!loose && !this.replayedCalls.has(call)) {
      const last = this.lastOrder.get(place) ?? 0;
      if (order < last) this.violations.push(`${id} (${call}) started on ${place} after call ${last}`);
      else this.lastOrder.set(place, order);
    }
    Object.assign(message, { type, entity, last: 'running', lastAttempt: attempt, killsSince: 0 });
    message.isDurable = isDurable(line);
    if (line.withdrawn === true) message.told.add('cancelling');
    message.starts += 1;
  }

  private judgeAnotherStart(message: Message, { id, type, attempt }: StartLine): void {
    const { retry, onInterrupt }: EntityConfig = ENTITIES[type as keyof typeof ENTITIES];
    const maxAttempts = retry?.maxAttempts ?? 1;
    const afterKill = onInterrupt === 'retry' && message.killsSince > 0;
    const afterFailure = message.last === 'failed' && maxAttempts > 1;
    if (!afterKill && !afterFailure)
      this.violations.push(`${id} of type ${type} started ${message.starts + 1} times (last: ${message.last})`);
    if (attempt <= message.lastAttempt) this.violations.push(`${id} started twice as attempt ${attempt}`);
    if (onInterrupt !== 'retry' && message.starts >= maxAttempts)
      this.violations.push(`${id} of type ${type} started more than ${maxAttempts} times`);
  }

  private crashed(): void {
    this.kills += 1;
    this.running.clear();
    for (const message of this.messages.values()) {
      message.killsSince += 1;
      if (message.last === 'running') message.last = 'cut';
    }
    // Messages that were marked ahead may run again from the first one without a durable outcome.
    for (const place of this.lastOrder.keys()) {
      const type = place.slice(0, place.indexOf('/')) as keyof typeof ENTITIES;
      const { onInterrupt, dispatchAhead }: EntityConfig = ENTITIES[type];
      if (onInterrupt === 'retry' && dispatchAhead !== undefined) this.lastOrder.delete(place);
    }
  }

  private judgePlace(message: Message, pending: ReadonlySet<string>, letter: string | undefined): void {
    if (!message.isDurable) return;
    const { id, told, last } = message;
    const places = [
      ...(pending.has(id) ? ['pending'] : []),
      ...(letter === undefined ? [] : [`dead (${letter})`]),
      ...(told.has('cancelled') ? ['cancelled'] : []),
      ...(told.has('discarded') ? ['removed'] : []),
      ...(told.has('replayed') ? ['replayed'] : []),
    ];
    if (places.length > 1) this.violations.push(`${id} is in several places: ${places.join(', ')}`);
    if (told.has('cancelled') && last === 'ok')
      this.violations.push(`${id} was cancelled although its handler got to its end`);
    if (letter === 'failed' && last === 'ok')
      this.violations.push(`${id} is dead as failed, but its handler succeeded`);
    if (letter === 'interrupted' && this.kills === 0)
      this.violations.push(`${id} is dead as interrupted, but nothing was killed`);
    if (places.length > 0 || last === 'ok') return;
    const maybe = ['cancelling', 'discarding', 'replaying'].some((word) => told.has(word));
    const maybePurged = message.type === undefined ? this.purgedLines.size > 0 : this.purgedLines.has(placeOf(message));
    if (maybe || maybePurged) return;
    if (message.accepted || message.starts > 0)
      this.violations.push(`${id} has vanished: ${message.starts} start(s), the last one ${last}, and it is nowhere`);
  }

  private message(id: string): Message {
    let message = this.messages.get(id);
    if (message === undefined) {
      message = {
        id,
        isDurable: false,
        accepted: false,
        starts: 0,
        last: 'none',
        lastAttempt: 0,
        killsSince: 0,
        told: new Set(),
      };
      this.messages.set(id, message);
    }
    return message;
  }
}

function isDurable({ kind, type }: { readonly kind: 'command' | 'query'; readonly type: string }): boolean {
  const { queries }: EntityConfig = ENTITIES[type as keyof typeof ENTITIES];
  return kind === 'command' || queries === 'durable';
}

function placeOf({ type, entity }: Message): string {
  return `${type}/${entity}`;
}

/** A line that was cut by a kill is followed by an empty one. */
function* readLines(path: string): Generator<EffectLine> {
  const lines = readFileSync(path, 'utf8').split('\n');
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    try {
      yield JSON.parse(line) as EffectLine;
    } catch (error) {
      if (lines[index + 1] !== '') throw error;
    }
  }
}

/**
 * Which handler gets a message: by entity type and wire name; the explicit one, else the type's wildcard. Filled before
 * the node starts; a duplicate is refused where it is declared.
 */
import type { MessageKind } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';
import type { ActorBinding } from './actor-port.js';
import type { MessageContext } from './message-context.js';

export interface Delivery {
  /** An instance of the message's class when that is known, else plain data. */
  readonly message: unknown;
  readonly context: MessageContext;
}

export interface HandlerEntry {
  readonly kind: MessageKind;
  /** What the handler is, for messages to people: e.g. the class name. */
  readonly label: string;
  readonly run: (delivery: Delivery) => unknown;
  /** It is a method of an actor: `run` is not called, the entity's instance runs the message. */
  readonly actor?: ActorBinding | undefined;
}

export const WILDCARD = '*';

export class HandlerTable {
  private readonly types = new Map<string, Map<string, HandlerEntry>>();

  add(entityType: string, name: string, entry: HandlerEntry): void {
    let names = this.types.get(entityType);
    if (names === undefined) {
      names = new Map();
      this.types.set(entityType, names);
    }
    const other = names.get(name);
    if (other !== undefined) {
      throw new AtomicQueuesError(
        'CONFIG_INVALID',
        `Two handlers for message "${name}" of entity type "${entityType}": ${other.label} and ${entry.label}. Keep one.`,
      );
    }
    names.set(name, entry);
  }

  find(entityType: string, name: string): HandlerEntry | undefined {
    const names = this.types.get(entityType);
    return names?.get(name) ?? names?.get(WILDCARD);
  }

  knowsType(entityType: string): boolean {
    return this.types.has(entityType);
  }

  /** Whether any handler of the type is an actor's. */
  hasActor(entityType: string): boolean {
    return this.some(entityType, ({ actor }) => actor !== undefined);
  }

  /** Whether all handlers of the type are an actor's that has no effect outside of its completions (I2). */
  isStateOnly(entityType: string): boolean {
    return this.knowsType(entityType) && !this.some(entityType, ({ actor }) => actor?.effects !== 'state');
  }

  private some(entityType: string, matches: (entry: HandlerEntry) => boolean): boolean {
    for (const entry of this.types.get(entityType)?.values() ?? []) if (matches(entry)) return true;
    return false;
  }

  /** Entity types with at least one handler. */
  entityTypes(): string[] {
    return [...this.types.keys()];
  }

  names(entityType: string): string[] {
    return [...(this.types.get(entityType)?.keys() ?? [])];
  }
}

/**
 * Which handler gets a message: by entity type and wire name; the explicit one, else the type's wildcard. Filled before
 * the node starts; a duplicate is refused where it is declared.
 */
import type { MessageKind } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';
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

  /** Entity types with at least one handler. */
  entityTypes(): string[] {
    return [...this.types.keys()];
  }

  names(entityType: string): string[] {
    return [...(this.types.get(entityType)?.keys() ?? [])];
  }
}

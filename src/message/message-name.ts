/**
 * Checks of the names that travel with every message: the entity type and the wire name. Both are recorded in the store
 * and used by programs in other languages, so they are checked where they are declared and never change at run time.
 */
import { AtomicQueuesError } from '../runtime/error.js';
import { entityTypeFault, wireNameFault } from '../runtime/name-rule.js';

/** Throws `CONFIG_INVALID` unless `type` may be an entity type. `where` begins the message. */
export function checkEntityType(type: unknown, where: string): asserts type is string {
  const fault = entityTypeFault(type);
  if (fault !== undefined) {
    throw new AtomicQueuesError('CONFIG_INVALID', `${where}: the entity type is ${quote(type)}; expected ${fault}.`);
  }
}

/** Throws `CONFIG_INVALID` unless `name` may be the wire name of a message. */
export function checkWireName(name: unknown, where: string): asserts name is string {
  const fault = wireNameFault(name);
  if (fault !== undefined) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${where}: the wire name is ${quote(name)}; expected ${fault}. Give one: @EntityType(type, { name: '...' }).`,
    );
  }
}

function quote(value: unknown): string {
  return typeof value === 'string'
    ? JSON.stringify(value)
    : `a value of type ${value === null ? 'null' : typeof value}`;
}

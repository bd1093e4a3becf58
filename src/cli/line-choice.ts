/** Which lines a command is for, `--type` and `--id`, and the shards that they are in. */
import { Routes } from '../cluster/routes.js';
import { entityKey } from '../message/entity-key.js';
import { isAtomicQueuesError } from '../message/errors.js';
import { validateEntityId } from '../message/message-class.js';
import { entityTypeFault } from '../runtime/name-rule.js';
import { nearestName } from '../runtime/nearest-name.js';
import type { CommandStore } from './command-store.js';
import { NotDoneError, UsageError } from './console-io.js';

/** A whole entity type, or one entity of it. */
export interface LineChoice {
  readonly entityType: string;
  readonly entityId?: string | undefined;
}

/** @throws UsageError for what cannot be a type or an id: an empty `--id` must not come to mean the whole type. */
export function lineChoice({ type, id }: { readonly type: string; readonly id?: string | undefined }): LineChoice {
  const fault = entityTypeFault(type);
  if (fault !== undefined) throw new UsageError(`--type must be ${fault}.`);
  if (id === undefined) return { entityType: type };
  try {
    return { entityType: type, entityId: validateEntityId(id, type) };
  } catch (error) {
    if (isAtomicQueuesError(error)) throw new UsageError(`--id: ${error.message}`);
    throw error;
  }
}

export function choiceText({ entityType, entityId }: LineChoice): string {
  return entityId === undefined ? entityType : `${entityType} ${JSON.stringify(entityId)}`;
}

/** @throws NotDoneError for a type that no service group has; a store in a file knows no groups, and any type may come. */
export async function shardsOf(store: CommandStore, { entityType, entityId }: LineChoice): Promise<readonly number[]> {
  const { shared, shards } = store;
  if (shared === undefined) return shards;
  const routes = new Routes(shared.slices);
  routes.update((await shared.view()).bindings);
  const binding = routes.bindingOf(entityType);
  if (binding === undefined) {
    const near = nearestName(entityType, routes.types());
    throw new NotDoneError(
      `No service group has the entity type "${entityType}".${near === undefined ? '' : ` Did you mean "${near}"?`} Known: ${routes.types().join(', ') || 'none'}.`,
    );
  }
  if (entityId === undefined) return routes.shardsOf(binding.index);
  const shard = routes.shardOf(entityType, entityKey(entityType, entityId));
  return shard === undefined ? [] : [shard];
}

/** How a node binds the entity types that it handles to its service group, before anyone can send to them. */
import type { SharedWal } from '../wal/shared-wal.js';
import type { ClusterStore } from './cluster-store.js';
import type { Outlook } from './outlook.js';

/**
 * Owners take in only types that are allowed in their shards, also owners that have no handlers for a type which is new to
 * the group. So the types are allowed before anyone can learn from the binding that there are any to send.
 * @returns the group's index. @throws BindingConflictError when another group has one of the types.
 */
export async function bindTypes(
  at: { readonly store: ClusterStore; readonly wal: SharedWal; readonly outlook: Outlook },
  types: Record<string, readonly string[]>,
): Promise<number> {
  const { store, wal } = at;
  const { group, routes } = at.outlook;
  const names = Object.keys(types);
  const { bindings } = await store.view();
  const isTaken = bindings.some(
    ({ group: other, types: bound }) => other !== group && names.some((name) => Object.hasOwn(bound, name)),
  );
  // The store says what contradicts what, and no group without types is left behind.
  if (isTaken) return store.bind(group, types);
  const index = await store.bind(group, {});
  await Promise.all(routes.shardsOf(index).map((shard) => wal.allowTypes(shard, names)));
  return store.bind(group, types);
}

/**
 * The key of an entity: its type and id in one string that no two entities share, whatever characters the id has. Type
 * names cannot hold a newline (they are checked where they are declared), so the first newline is the border.
 */
export type EntityKey = string & { readonly brand: 'EntityKey' };

export function entityKey(entityType: string, entityId: string): EntityKey {
  return `${entityType}\n${entityId}` as EntityKey;
}

export function splitEntityKey(key: EntityKey): { entityType: string; entityId: string } {
  const border = key.indexOf('\n');
  return { entityType: key.slice(0, border), entityId: key.slice(border + 1) };
}

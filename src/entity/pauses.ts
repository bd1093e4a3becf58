/** Which lines start nothing: whole types, and single entities. The store holds the same, durably. */
import { type EntityKey, entityKey } from '../message/entity-key.js';

export class Pauses {
  private readonly types = new Set<string>();
  private readonly entities = new Set<EntityKey>();

  has(key: EntityKey, entityType: string): boolean {
    return this.types.has(entityType) || this.entities.has(key);
  }

  set(entityType: string, entityId: string | undefined, paused: boolean): void {
    if (entityId === undefined) change(this.types, entityType, paused);
    else change(this.entities, entityKey(entityType, entityId), paused);
  }
}

function change<T>(set: Set<T>, value: T, isIn: boolean): void {
  if (isIn) set.add(value);
  else set.delete(value);
}

/**
 * Names of delayed messages in the sorted sets: of due times, and of those that recur. They begin with the number of the
 * message, so that those due at one time stand in the order of their acceptance, and tell what would cost a read otherwise.
 */
import { type EntityKey, entityKey, splitEntityKey } from '../../message/entity-key.js';
import type { StoredMessage } from '../transition.js';
import { fromField, toField } from './text.js';

const DIGITS = 16;
const RECURS = 'r';

export function dueMember(order: number, { id, recurrence }: Pick<StoredMessage, 'id' | 'recurrence'>): string {
  return `${digits(order)}${recurrence === undefined ? '' : RECURS}:${toField(id)}`;
}

export function dueMemberOf(member: string): { readonly order: number; readonly id: string; readonly recurs: boolean } {
  const border = member.indexOf(':');
  return {
    order: Number(member.slice(0, DIGITS)),
    id: fromField(member.slice(border + 1)),
    recurs: member[DIGITS] === RECURS,
  };
}

/** Its score is the number, too. */
export function reminderMember(
  order: number,
  { entityType, entityId }: Pick<StoredMessage, 'entityType' | 'entityId'>,
): string {
  return `${digits(order)}:${toField(entityKey(entityType, entityId))}`;
}

export function reminderMemberOf(member: string): {
  readonly order: number;
  readonly entityType: string;
  readonly entityId: string;
} {
  const key = fromField(member.slice(DIGITS + 1)) as EntityKey;
  return { order: Number(member.slice(0, DIGITS)), ...splitEntityKey(key) };
}

function digits(order: number): string {
  return order.toString().padStart(DIGITS, '0');
}

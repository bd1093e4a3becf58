/**
 * A second call with a known `messageId` on a node that does not own the entity resolves with the id that it offered: the
 * first message's is known only to the owner, later. For the checker the answer names the first message.
 */

/** What only a message of the store's own has. */
const SIGNS = new Set(['accepted', 'dispatched', 'started', 'promoted', 'ended']);

export function withAliases(log) {
  const keyed = new Map();
  const known = new Set();
  for (const event of log) {
    if (event.type === 'enqueueCalled' && event.messageId !== undefined) keyed.set(event.call, keyOf(event));
    if (SIGNS.has(event.type)) known.add(event.id);
  }
  const first = new Map();
  for (const event of log) {
    const key = event.type === 'enqueueResolved' ? keyed.get(event.call) : undefined;
    if (key !== undefined && known.has(event.id) && !first.has(key)) first.set(key, event.id);
    if (event.type === 'accepted' && event.messageId !== undefined) first.set(keyOf(event), event.id);
  }
  return log.map((event) => {
    if (event.type !== 'enqueueResolved' || known.has(event.id)) return event;
    const id = first.get(keyed.get(event.call));
    return id === undefined ? event : { ...event, id };
  });
}

function keyOf({ entityType, entityId, messageId }) {
  return `${entityType}\n${entityId}\n${messageId}`;
}

/** What a caller hears when an entity type has an actor, and neither it nor a handler beside it takes the message. */
import type { HandlerTable } from '../entity/handler-table.js';
import { AtomicQueuesError } from '../message/errors.js';
import { nearestName } from '../runtime/nearest-name.js';

/** `NO_HANDLER` with what there is and the nearest name; undefined when the type has no actor here. */
export function noActorMethod(handlers: HandlerTable, entityType: string, name: string): AtomicQueuesError | undefined {
  const names = handlers.names(entityType);
  const entries = names.map((each) => ({ name: each, entry: handlers.find(entityType, each) }));
  if (!entries.some(({ entry }) => entry?.actor !== undefined)) return undefined;
  const near = nearestName(name, names);
  const known = entries.map((each) => `${each.name} (${each.entry?.label ?? ''})`).join(', ');
  return new AtomicQueuesError(
    'NO_HANDLER',
    `The actor of entity type "${entityType}" has no @On method for "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`} There are: ${known}.`,
    { subject: { entityType, name } },
  );
}

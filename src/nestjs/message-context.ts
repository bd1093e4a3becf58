/**
 * `MessageContext` for injection: always speaks of the message whose handler is running where it is asked. One instance
 * serves all handlers; nothing has to be request-scoped for it.
 */
import { type MessageContext as CurrentMessage, currentMessage } from '../entity/message-context.js';
import type { MessageHeaders } from '../message/envelope.js';
import { AtomicQueuesError } from '../message/errors.js';

export class MessageContext implements CurrentMessage {
  /** The message whose handler is running here, or undefined outside of a handler. */
  get current(): CurrentMessage | undefined {
    return currentMessage();
  }

  get id(): string {
    return here().id;
  }

  get entityType(): string {
    return here().entityType;
  }

  get entityId(): string {
    return here().entityId;
  }

  get name(): string {
    return here().name;
  }

  get attempt(): number {
    return here().attempt;
  }

  get fencingToken(): string {
    return here().fencingToken;
  }

  get signal(): AbortSignal {
    return here().signal;
  }

  get enqueuedAt(): number {
    return here().enqueuedAt;
  }

  get headers(): MessageHeaders {
    return here().headers;
  }
}

/** @throws AtomicQueuesError `UNKNOWN_MESSAGE` outside of a handler. */
function here(): CurrentMessage {
  const message = currentMessage();
  if (message !== undefined) return message;
  throw new AtomicQueuesError(
    'UNKNOWN_MESSAGE',
    'No message is being handled here, so MessageContext has nothing to tell. Outside of a handler, `current` is undefined.',
  );
}

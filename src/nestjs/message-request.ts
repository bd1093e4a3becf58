/**
 * What `@Inject(REQUEST)` gives in a provider that is made for one message: the message, and all that `currentMessage()`
 * tells of it. It belongs to that message, also where it is asked after the handler has settled.
 */
import type { MessageContext } from '../entity/message-context.js';
import type { MessageHeaders } from '../message/envelope.js';

export class MessageRequest<T = unknown> implements MessageContext {
  readonly #context: MessageContext;

  constructor(
    /** An instance of the message's class when that is known here, else plain data. As it arrived: before any pipe. */
    readonly message: T,
    context: MessageContext,
  ) {
    this.#context = context;
  }

  get id(): string {
    return this.#context.id;
  }

  get entityType(): string {
    return this.#context.entityType;
  }

  get entityId(): string {
    return this.#context.entityId;
  }

  get name(): string {
    return this.#context.name;
  }

  get attempt(): number {
    return this.#context.attempt;
  }

  get fencingToken(): string {
    return this.#context.fencingToken;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get enqueuedAt(): number {
    return this.#context.enqueuedAt;
  }

  get headers(): MessageHeaders {
    return this.#context.headers;
  }
}

/**
 * What the decorators recorded about a class, kept on the class itself under a registered symbol, so that it is found
 * whichever copy of this package wrote it. Own to each class: inheritance is followed where it is meant, in
 * `message-class.ts`.
 */
import type { MessageKind } from './envelope.js';

export interface ClassMetadata {
  entityType?: string;
  /** The explicit wire name of `@EntityType`. */
  name?: string;
  /** Where `@QueueEntityId` stands. */
  entityId?: { readonly property: string } | { readonly parameter: number };
  job?: JobMark;
  /** Of `@MessageSchema` and `@ReplySchema`; what they are is known to `src/contracts`. */
  schema?: object;
  replySchema?: object;
}

/** What `@JobCommand` and `@JobQuery` say of a class. */
export interface JobMark {
  readonly kind: MessageKind;
  readonly name: string | undefined;
}

const METADATA = Symbol.for('atomic-queues.class');

/** The metadata of exactly this class, not of those it extends. */
export function ownMetadata(cls: object): Readonly<ClassMetadata> | undefined {
  return Object.hasOwn(cls, METADATA) ? (cls as { [METADATA]?: ClassMetadata })[METADATA] : undefined;
}

/** The same for a decorator that is about to write. */
export function writableMetadata(cls: object): ClassMetadata {
  const known = ownMetadata(cls);
  if (known !== undefined) return known;
  const metadata: ClassMetadata = {};
  Object.defineProperty(cls, METADATA, { value: metadata });
  return metadata;
}

/** The class and those it extends, nearest first. */
export function* classChain(cls: object): Generator<object> {
  for (
    let at: object | null = cls;
    typeof at === 'function' && at !== Function.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    yield at;
  }
}
